/** Runs one case under benny and takes, beside benny's wall times, the processor time of every call. */
import benny from 'benny';
import { median } from './compare.mjs';
import { calibrate } from './calibration.mjs';

const lengths = {
  quick: { minSamples: 5, minTime: 0.02, maxTime: 0.6 },
  full: { minSamples: 8, minTime: 0.05, maxTime: 3 },
};

/** The calibration after one case is the calibration before the next. */
let last;

/**
 * @param task `{ name, group, images, run, floor?, threads? }`: `run` does the work for `images` images once;
 *   `floor` is the number of floating-point operations that work cannot do without, or a function that gives
 *   it after the runs.
 * @returns a case as `compare.mjs` describes it.
 */
export async function measure(task, { quick }) {
  const wall = [];
  const processor = [];
  const sampled = async () => {
    const cpu = process.cpuUsage();
    const begin = performance.now();
    await task.run();
    wall.push((performance.now() - begin) / 1000);
    const { user, system } = process.cpuUsage(cpu);
    processor.push((user + system) / 1e6);
  };
  await task.run(); // packs weights and warms caches
  last ??= calibrate();
  const before = last;
  const cases = { ...lengths[quick ? 'quick' : 'full'], delay: 0, initCount: 1 };
  await benny.suite(task.name, benny.add(task.name, sampled), benny.configure({ cases }));
  last = calibrate();
  const floor = typeof task.floor === 'function' ? task.floor() : task.floor;
  return finish(task, { wall, processor, peaks: [before.peak, last.peak], floor });
}

/**
 * A case from samples in seconds per run.
 *
 * Of the processor times the fastest counts: the work is the same in every call, and whatever else ran on
 * the machine only ever adds to it.
 */
export function finish({ name, group, images = 1, threads = 1 }, { wall, processor, peaks, floor }) {
  const peak = median(peaks);
  const seconds = Math.min(...processor) / images;
  return {
    name,
    group,
    threads,
    calls: wall.length,
    secondsPerImage: {
      processor: seconds,
      processorMedian: median(processor) / images,
      wall: median(wall) / images,
    },
    peak,
    cost: seconds * peak * 1e9,
    ...(floor === undefined ? {} : { floor: floor / images }),
  };
}
