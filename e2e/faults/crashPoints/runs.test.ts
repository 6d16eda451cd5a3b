import { crashTests } from './drive.ts';
import { runScenarios } from './runScenarios.ts';

crashTests(runScenarios);
