import { crashTests } from './drive.ts';
import { upkeepScenarios } from './upkeepScenarios.ts';

crashTests(upkeepScenarios);
