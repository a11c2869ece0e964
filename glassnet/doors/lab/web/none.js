// "None of these": what an answer says when nothing that the net learnt from is like it. Old models never say so.

import { share } from "./evidence.js";
import { strong } from "./shell.js";

export const isNone = (answer) => answer?.none_of_these === true;

// The sentence and what stands below it. strangeness: over 1 is refused. false_alarms: words, or the share of real examples.
export function noneOf(answer) {
  const { strangeness, false_alarms: alarms } = answer;
  const more = ["Nothing in the training set is like it."];
  if (Number.isFinite(strangeness)) more.push(` Its strangeness is ${strangeness.toFixed(2)}, where 1 is the limit.`);
  if (typeof alarms === "string") more.push(` ${alarms}`);
  else if (Number.isFinite(alarms)) more.push(` Of real examples ${(100 * alarms).toFixed(1)} % are refused so.`);
  more.push(` Of its classes ${answer.class} would come first, `, strong(share(answer.score)), ".");
  return [[strong("None of these"), "."], more];
}
