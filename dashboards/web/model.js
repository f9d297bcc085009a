// SPDX-License-Identifier: Apache-2.0
// What the page says, worked out from the API's answers: no DOM in here.
"use strict";

const Model = {
  // "3 min", from seconds.
  span(seconds) {
    const whole = Math.max(0, Math.floor(seconds));
    if (whole < 60) return `${whole} s`;
    if (whole < 3600) return `${Math.floor(whole / 60)} min`;
    if (whole < 86400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
    return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
  },

  secondsSince(now, time) {
    return (Date.parse(now) - Date.parse(time)) / 1000;
  },

  severityRank(alert) {
    const order = ["critical", "page", "error", "warning", "info"];
    const rank = order.indexOf(alert.labels.severity);
    return rank < 0 ? 2 : rank;
  },

  title(alert) {
    return alert.annotations.summary || `${alert.labels.alertname} ${alert.labels.instance || ""}`.trim();
  },

  count(number, one, many) {
    return `${number} ${number === 1 ? one : many}`;
  },

  // The sentence at the top: {look, title, detail}. What cannot be known is said first, since it makes the rest doubtful.
  verdict(state) {
    const { status, alerts, targets, rules, runs } = state;
    const firing = alerts.filter((alert) => alert.state === "firing")
      .sort((a, b) => Model.severityRank(a) - Model.severityRank(b) || Date.parse(a.activeAt) - Date.parse(b.activeAt));
    const pending = alerts.length - firing.length;
    const down = targets.filter((target) => target.health === "down");
    const unknown = targets.filter((target) => target.health === "unknown");
    const failing = rules.filter((rule) => rule.health === "err");
    const waiting = runs.filter((run) => run.state === "waiting");
    const details = [];
    if (state.drills.running) details.push(`A drill runs: ${state.drills.running.drill} (${state.drills.running.phase}).`);
    if (status.degraded.length > 0) details.push(`The watch itself is impaired: ${status.degraded.join("; ")}.`);
    if (!status.configuration.lastReloadSuccessful) {
      details.push("The last reload was refused; the configuration before it is in use.");
    }
    if (failing.length > 0) details.push(`${Model.count(failing.length, "rule", "rules")} cannot be evaluated.`);
    if (down.length > 0) details.push(`${Model.count(down.length, "target", "targets")} cannot be scraped: ${down.map((t) => t.labels.job).join(", ")}.`);
    if (unknown.length > 0) details.push(`${Model.count(unknown.length, "target has", "targets have")} not answered yet.`);
    if (pending > 0) details.push(`${Model.count(pending, "alert is", "alerts are")} pending.`);
    if (waiting.length > 0) details.push(`${Model.count(waiting.length, "remediation waits", "remediations wait")} for your decision.`);
    if (firing.length > 0) {
      const first = firing[0];
      const since = Model.span(Model.secondsSince(status.now, first.activeAt));
      const more = firing.length > 1 ? `, and ${Model.count(firing.length - 1, "more alert", "more alerts")}` : "";
      const look = Model.severityRank(first) >= 3 ? "care" : "bad";
      return { look, title: `${Model.title(first)}, for ${since}${more}`, detail: details.join(" ") };
    }
    if (status.degraded.length > 0) return { look: "bad", title: "The watch does not work as it should", detail: details.join(" ") };
    if (targets.length === 0) return { look: "unknown", title: "Nothing is watched", detail: "The configuration has no targets." };
    if (down.length > 0) {
      return { look: "bad", title: `${Model.count(down.length, "target", "targets")} of ${targets.length} cannot be scraped`, detail: details.join(" ") };
    }
    if (rules.length === 0) return { look: "unknown", title: "No alert can fire: there are no rules", detail: details.join(" ") };
    if (unknown.length > 0) return { look: "unknown", title: "Not everything has answered yet", detail: details.join(" ") };
    if (details.length > 0) return { look: "care", title: "No alert fires, but look here", detail: details.join(" ") };
    return { look: "good", title: `All well: ${Model.count(targets.length, "target answers", "targets answer")}, ${Model.count(rules.length, "rule watches", "rules watch")}, no alert`, detail: "" };
  },

  // {title, objects, looks}: how many of a run's conditions held, whether one did not, and the look of each verdict.
  conditions(run) {
    const held = run.findings.filter((finding) => finding.verdict === "yes").length;
    const all = Model.count(run.findings.length, "condition", "conditions");
    const objects = held < run.findings.length;
    const title = objects ? `${all}: ${run.findings.length - held} did not hold` : `${all}: all held`;
    return { title, objects, looks: { yes: "good", no: "bad", unknown: "unknown" } };
  },

  // {look, state} of a drill: of its last run.
  drill(drill, now) {
    const last = drill.last;
    if (!last) return { look: "unknown", state: "never run" };
    if (last.phase !== "over") return { look: "care", state: last.phase };
    const ago = Model.span(Model.secondsSince(now, last.created));
    return { look: { passed: "good", failed: "bad" }[last.result] || "unknown", state: `${last.result} ${ago} ago` };
  },

  runLook(state) {
    if (state === "succeeded") return "good";
    if (state === "failed") return "bad";
    if (state === "interrupted") return "unknown";
    return state === "refused" || state === "observed" ? "" : "care";
  },
};
