/**
 * The framework's public face: everything an operator is built from. Reconcilers receive keys, read stores, write through clients and
 * return when to look again; a Controller runs them, a Manager runs controllers. See examples/hello-operator for a whole operator.
 */
export { formatMicroTime, formatTime, realClock, sleep } from './clock.ts';
export type { Clock, Timer } from './clock.ts';
export { findCondition, isConditionTrue, removeCondition, setCondition } from './conditions.ts';
export type { ConditionInput } from './conditions.ts';
export { Controller } from './controller.ts';
export type { ControllerOptions, WatchedChange, WatchedStore } from './controller.ts';
export { NotLeaderError, ReconcileError, StoppedError, asError, judge, messageOf } from './errors.ts';
export type { ReconcileErrorOptions, Retry, Verdict } from './errors.ts';
export { EventRecorder, withKind } from './eventRecorder.ts';
export type { EventClient, EventRecorderOptions, EventType } from './eventRecorder.ts';
export { HealthServer } from './health.ts';
export type { Check, HealthServerOptions } from './health.ts';
export { LeaderElector } from './leaderElector.ts';
export type { LeaderElectorOptions, LeaseClient, LeadershipEnd } from './leaderElector.ts';
export { silentLogger } from './logger.ts';
export type { LogFields, Logger } from './logger.ts';
export { createLogger, logLevels, redactText } from './logging.ts';
export type { LogLevel, LoggerOptions } from './logging.ts';
export { Manager } from './manager.ts';
export type { Exit, ManagedInformer, ManagerOptions, Phase, Service } from './manager.ts';
export { Metrics, durationBuckets } from './metrics.ts';
export type { HistogramSpec, MetricSpec } from './metrics.ts';
export type { ReconcileContext, Reconciler, Result } from './reconciler.ts';
export { WorkQueue } from './workQueue.ts';
export type { AddOptions, Priority, WorkItem, WorkQueueOptions } from './workQueue.ts';
export { ProwOperator, RefusedError } from './host.ts';
export type { HostOptions } from './host.ts';
export { giveBackWhenIdle } from './idleMemory.ts';
export type { IdleMemoryOptions } from './idleMemory.ts';
export { Informer } from './informer.ts';
export type { InformerOptions } from './informer.ts';
export { ObjectWriter } from './objectWriter.ts';
export { OperatorKit } from './operatorKit.ts';
export type { InformerScope, KitOptions, LeaseSettings } from './operatorKit.ts';
export { Store } from './store.ts';
export type { Change, StoreReader } from './store.ts';
