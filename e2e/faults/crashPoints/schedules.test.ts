import { crashTests } from './drive.ts';
import { scheduleScenarios } from './scheduleScenarios.ts';

crashTests(scheduleScenarios);
