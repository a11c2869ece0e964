// What is known of one training, gathered from its events. Draws nothing.

const OVER = ["finished", "failed", "stopped"];

export class Story {
  constructor(id) {
    Object.assign(this, { id, state: "preparing", facts: null, prepared: null, points: [], moments: [], examples: new Map(), now: null, passing: null, live: null, finished: null });
  }

  get isOver() {
    return OVER.includes(this.state);
  }

  hear(facts) {
    const { type } = facts;
    if (type === "state") [this.state, this.facts] = [facts.state, facts];
    else if (type === "prepared") {
      this.prepared = facts;
      if (facts.resumed) this.forgetAfter(facts.epoch);
    } else if (type === "point") this.points.push(facts);
    else if (type === "example") this.examples.set(facts.row, facts);
    else if (type === "moment" && facts.file === "now") this.live = facts;
    else if (type === "moment") this.keep(facts);
    else if (type === "now") this.now = facts;
    else if (type === "reading" || type === "judging") this.passing = facts;
    else if (type === "finished") this.finished = facts;
    if (type === "going" || this.isOver) this.live = null;
  }

  keep(moment) {
    this.moments = this.moments.filter((one) => one.epoch < moment.epoch);
    this.moments.push(moment);
    this.live = null;
  }

  // A training that goes on from a checkpoint tells what came after that once more.
  forgetAfter(epoch) {
    this.points = this.points.filter((one) => one.at <= epoch);
    this.moments = this.moments.filter((one) => one.epoch <= epoch);
  }

  epoch() {
    if (!this.moments.length) return 0;
    return Math.max(this.moments.at(-1).epoch, this.isOver ? 0 : (this.live?.epoch ?? 0), this.isOver ? 0 : (this.now?.epoch ?? 0));
  }

  // The moments that can be gone back to, and at the end the one that is under way, with the features as they are now.
  shown() {
    const last = this.moments.at(-1);
    if (this.isOver || !last) return this.moments;
    if (this.live) return [...this.moments, this.live];
    return this.now?.features ? [...this.moments, { ...last, epoch: this.now.epoch, features: this.now.features }] : this.moments;
  }

  nearest(epoch) {
    const gap = (i) => Math.abs(this.moments[i].epoch - epoch);
    return this.moments.reduce((best, _, i) => (gap(i) < gap(best) ? i : best), 0);
  }
}
