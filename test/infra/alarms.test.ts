import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { metricNames } from '../../functions/env/metric-names.ts';
import { ofType, synthesized } from './synthesized.ts';

const control = synthesized()['holdfast-control']!;
const only = (type: string) => ofType(control, type).map(([, r]) => r.Properties);

describe('alarms', () => {
  const alarms = only('AWS::CloudWatch::Alarm');
  const named = (name: string) => alarms.find((a) => a.AlarmName === `holdfast-${name}`);

  it('look at one metric each and tell the topic, when they begin and when they clear', () => {
    for (const alarm of alarms) {
      expect(alarm.Metrics, alarm.AlarmName).toBeUndefined();
      expect(alarm.MetricName, alarm.AlarmName).toBeTruthy();
      const topic = [{ Ref: expect.stringMatching(/^AlarmChannelTopic/) }];
      expect(alarm.AlarmActions, alarm.AlarmName).toEqual(topic);
      expect(alarm.OKActions, alarm.AlarmName).toEqual(topic);
      expect(alarm.AlarmDescription, alarm.AlarmName).toContain('Runbook: docs/runbook.md#');
    }
    expect(ofType(control, 'AWS::CloudWatch::CompositeAlarm')).toEqual([]);
  });

  it('take silence of Reconcile for trouble', () => {
    expect(named('reconcile-failed').TreatMissingData).toBe('breaching');
    expect(named('reconcile-silent')).toMatchObject({
      Namespace: 'holdfast',
      MetricName: 'Passes',
      Statistic: 'Sum',
      Period: 60,
      EvaluationPeriods: 10,
      ComparisonOperator: 'LessThanThreshold',
      Threshold: 1,
      TreatMissingData: 'breaching',
    });
  });

  it('are there for everything that can be wrong with the fleet, each on one count of all of it, silence included', () => {
    const ofTheFleet = alarms.filter((a) => a.Namespace === 'holdfast');
    expect(ofTheFleet.map((a) => [a.AlarmName.replace('holdfast-', ''), a.MetricName])).toEqual([
      ['clusters-overdue', 'ClustersOverdue'],
      ['clusters-failed', 'ClustersFailed'],
      ['clusters-suspect', 'ClustersSuspect'],
      ['jobs-lost', 'JobsLost'],
      ['objects-unclaimed', 'ObjectsUnclaimed'],
      ['archives-lagging', 'ArchivesLagging'],
      ['archives-broken', 'ArchivesBroken'],
      ['duties-failed', 'DutiesFailed'],
      ['reconcile-silent', 'Passes'],
    ]);
    for (const alarm of ofTheFleet) {
      expect(alarm.Dimensions, alarm.AlarmName).toBeUndefined();
      expect(alarm.TreatMissingData, alarm.AlarmName).toBe('breaching');
      expect(Object.values(metricNames), alarm.AlarmName).toContain(alarm.MetricName);
    }
  });

  it('say first and alone that Reconcile is silent: all others on its counts wait longer for data', () => {
    const waits = (a: { Period: number; EvaluationPeriods: number }) => a.Period * a.EvaluationPeriods;
    for (const alarm of alarms.filter((a) => a.Namespace === 'holdfast' && a.MetricName !== 'Passes'))
      expect(waits(alarm), alarm.AlarmName).toBeGreaterThan(waits(named('reconcile-silent')));
  });

  it('take no data of a service for none of the trouble it counts', () => {
    const quiet = ['dead-letters', 'transitions-throttled', 'functions-throttled', 'catalog-throttled'];
    for (const name of quiet) expect(named(name)?.TreatMissingData, name).toBe('notBreaching');
    expect(named('functions-throttled').Dimensions).toBeUndefined();
    expect(named('transitions-throttled').Dimensions).toEqual([
      { Name: 'ServiceMetric', Value: 'StateTransition' },
    ]);
  });
});

describe('the dashboard', () => {
  const [dashboard] = only('AWS::CloudWatch::Dashboard');
  const body = JSON.parse(dashboard.DashboardBody) as {
    widgets: { type: string; x: number; y: number; width: number; height: number; properties: Shown }[];
  };
  type Shown = { title?: string; view?: string; start?: string; alarms?: string[]; metrics?: unknown[][] };

  it('is exactly this', () => {
    expect(dashboard.DashboardName).toBe('holdfast');
    const file = join(import.meta.dirname, 'expected/dashboard.json');
    expect(body).toEqual(JSON.parse(readFileSync(file, 'utf8')));
  });

  it('answers in its first row whether everything is backed up and verified, with every alarm beside', () => {
    const [answer, alarms, ...others] = body.widgets.filter(({ y }) => y === 0);
    expect(others).toEqual([]);
    expect(answer?.properties).toMatchObject({
      title: expect.stringContaining('Is everything backed up and verified?'),
      view: 'singleValue',
      start: '-PT15M',
    });
    expect(answer?.properties.metrics?.map(([, metric]) => metric)).toEqual([
      'ClustersWatched',
      'ClustersCovered',
      'ClustersWaiting',
      'ClustersOverdue',
      'ClustersFailed',
      'ClustersSuspect',
      'ObjectsUnclaimed',
      'OldestBackupHours',
    ]);
    expect(alarms?.properties.alarms?.map((arn) => arn.split(':').at(-1))).toEqual(
      only('AWS::CloudWatch::Alarm').map((a) => a.AlarmName),
    );
  });

  it('fills its rows without a hole or an overlap, and shows no count that nobody puts', () => {
    const cells = new Set<string>();
    for (const { x, y, width, height } of body.widgets)
      for (let column = x; column < x + width; column++)
        for (let row = y; row < y + height; row++) cells.add(`${column} ${row}`);
    expect(cells.size).toBe(24 * Math.max(...body.widgets.map(({ y, height }) => y + height)));
    expect(body.widgets.reduce((n, { width, height }) => n + width * height, 0)).toBe(cells.size);
    const shown = body.widgets.flatMap(({ properties }) => properties.metrics ?? []);
    const own = shown.filter(([namespace]) => namespace === 'holdfast').map(([, metric]) => metric);
    expect(own.filter((metric) => !Object.values<unknown>(metricNames).includes(metric))).toEqual([]);
    // Per-cluster metrics would have dimensions: 5,000 clusters would cost 1,500 dollars a month.
    expect(
      shown.filter(([namespace, , more]) => namespace === 'holdfast' && typeof more === 'string'),
    ).toEqual([]);
  });
});
