/** What the measurements share: a control plane, simulated nodes where pods are to run, and either the operator or the bare loop at work on it. */
import path from 'node:path';
import type { SettingsFile } from '../../operator/config/settings.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { startControlPlane, type ControlPlane, type ControlPlaneOptions } from './controlPlane.ts';
import { startChild } from './measuring/childProgram.ts';
import { OperatorProcess } from './measuring/operatorProcess.ts';
import { wipe } from './measuring/workload.ts';
import { useOf } from './scale/processUse.ts';

const here = import.meta.dirname;

export class Stage {
  readonly plane: ControlPlane;

  private constructor(plane: ControlPlane) {
    this.plane = plane;
  }

  /** Does something with a control plane of its own, and takes it down. */
  static async with<T>(options: ControlPlaneOptions, work: (stage: Stage) => Promise<T>): Promise<T> {
    const plane = await startControlPlane(options);
    try {
      if (options.bare === true) return await work(new Stage(plane));
      const nodes = await startChild(path.join(here, 'simulatedNodes.ts'), plane.kubeconfig);
      try {
        return await work(new Stage(plane));
      } finally {
        await nodes.stop();
      }
    } finally {
      await plane.close();
    }
  }

  get client(): KubeClient {
    return this.plane.client;
  }

  /** Processor time that API server, etcd, scheduler and controllers have taken since they were started. */
  async systemCpuMs(): Promise<number> {
    const uses = await Promise.all([...this.plane.pids.values()].map(useOf));
    return uses.reduce((all, { cpuMs }) => all + cpuMs, 0);
  }

  /** With an operator that leads; afterwards it has ended, and what was made is gone. */
  async withOperator<T>(work: (operator: OperatorProcess) => Promise<T>, settings: SettingsFile = {}): Promise<T> {
    const operator = await OperatorProcess.start(this.plane, settings);
    try {
      const result = await work(operator);
      const last = operator.failed();
      if (last !== undefined) throw new Error(last);
      return result;
    } finally {
      await operator.stop();
      await wipe(this.client);
    }
  }

  /** The same with the bare loop. */
  async withBareLoop<T>(work: () => Promise<T>): Promise<T> {
    const loop = await startChild(path.join(here, 'bareLoop.ts'), this.plane.kubeconfig);
    try {
      return await work();
    } finally {
      await loop.stop();
      await wipe(this.client);
    }
  }
}
