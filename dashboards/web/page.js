// SPDX-License-Identifier: Apache-2.0
// Fetches the API and fills the page. All text goes through textContent: nothing from outside is ever taken for markup.
"use strict";

const kRefreshMs = 5000;
let lastAnswer = null;
const unfolded = new Map();  // what a person has folded or unfolded stays so when the page is filled anew

// element("div", "item small", "text" or child, ...)
function element(tag, classes, ...children) {
  const made = document.createElement(tag);
  if (classes) made.className = classes;
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

function mark(look, text) {
  return element("span", `mark ${look}`, text);
}

function fill(id, children, empty) {
  const place = document.getElementById(id);
  place.replaceChildren(...(children.length > 0 ? children : [element("p", "quiet", empty)]));
}

async function data(path) {
  const answer = await fetch(path, { headers: { Accept: "application/json" } });
  const body = await answer.json();
  if (body.status !== "success") throw new Error(body.error || `status ${answer.status}`);
  return body.data;
}

async function change(path, fields) {
  const answer = await fetch(`/api/watchkeeper/v1/${path}`, { method: "POST", body: new URLSearchParams({ who: "page", ...fields }) });
  if (!answer.ok) {
    const text = await answer.text();
    let words = text;
    try { words = JSON.parse(text).error; } catch { /* a refusal in plain text */ }
    window.alert(words);
  }
  await refresh();
}

function button(text, classes, act) {
  const made = element("button", classes, text);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

function showAutomation(automation) {
  const place = document.getElementById("automation");
  if (automation.paused) {
    place.replaceChildren(mark("care", "automation paused"), element("span", "small", `${automation.reason} (${automation.who})`),
      button("Resume", "", () => window.confirm("Resume automation?") && change("automation/resume", {})));
  } else {
    place.replaceChildren(mark("good", "automation on"), button("Pause", "", () => {
      const reason = window.prompt("Why is automation paused?");
      if (reason) change("automation/pause", { reason });
    }));
  }
}

function labelsText(labels) {
  return Object.entries(labels).filter(([name]) => name !== "alertname" && name !== "severity")
    .map(([name, value]) => `${name}=${value}`).join("  ");
}

function alertItem(alert, now) {
  const look = alert.state === "firing" ? (Model.severityRank(alert) >= 3 ? "care" : "bad") : "";
  return element("div", "item",
    element("div", "line", mark(look, alert.state), element("strong", "grow", Model.title(alert)),
      element("span", "figures quiet", Model.span(Model.secondsSince(now, alert.activeAt)))),
    element("p", "small", alert.annotations.description || ""),
    element("p", "small quiet", `${alert.labels.alertname}  ${labelsText(alert.labels)}`));
}

function clockText(time) {
  return time ? element("time", "", new Date(time).toLocaleTimeString()) : null;
}

// What was seen of a run's conditions: why it was, or was not, begun.
function conditions(run) {
  if (run.findings.length === 0) return null;
  const told = Model.conditions(run);
  const list = run.findings.map((finding) => element("div", "line small", mark(told.looks[finding.verdict] || "unknown", finding.verdict),
    element("span", "grow figures", finding.name), element("span", "quiet", finding.why)));
  const made = element("details", "small", element("summary", "", told.title), ...list);
  made.open = unfolded.get(run.id) ?? told.objects;
  made.querySelector("summary").addEventListener("click", () => unfolded.set(run.id, !made.open));
  return made;
}

function runItem(run) {
  const steps = run.steps.map((step) => {
    const look = { succeeded: "did", failed: "failed", running: "now", interrupted: "unsure" }[step.state] || "";
    return element("li", look, clockText(step.started), step.step, element("div", "small quiet", `${step.state}${step.result ? `: ${step.result}` : ""}`));
  });
  const fired = element("li", "failed", clockText(run.firedAt), `${run.alert.alertname || "an alert"} fired`, element("div", "small quiet", labelsText(run.alert)));
  const decided = element("li", run.state === "waiting" ? "now" : "did", clockText(run.created), `${run.state}: ${run.reason || "no reason given"}`,
    run.decidedBy ? element("div", "small quiet", `decided by ${run.decidedBy}`) : null);
  const asks = run.state === "waiting" || (run.state === "interrupted" && !run.final);
  const id = encodeURIComponent(run.id);
  return element("div", "item",
    element("div", "line", mark(Model.runLook(run.state), run.state), element("strong", "grow", run.remediation),
      element("span", "small quiet", `level ${run.level}`)),
    conditions(run),
    element("ol", "", fired, decided, ...steps),
    asks ? element("div", "line",
      run.state === "waiting" ? button("Approve", "main", () => window.confirm(`Approve ${run.remediation}?`) && change(`remediations/${id}/approve`, { plan: run.plan })) : null,
      button(run.state === "waiting" ? "Reject" : "Close", "", () => change(`remediations/${id}/reject`, {}))) : null);
}

function targetItem(target, now) {
  const look = { up: "good", down: "bad" }[target.health] || "unknown";
  const scraped = target.lastScrape.startsWith("0001") ? "never scraped" : `${Model.span(Model.secondsSince(now, target.lastScrape))} ago`;
  return element("div", "item",
    element("div", "line", mark(look, target.health), element("strong", "", target.labels.job || target.scrapePool),
      element("span", "grow figures", target.scrapeUrl), element("span", "small quiet", scraped)),
    element("p", "small", target.lastError));
}

function backupItem(backup, now) {
  const good = backup.lastSuccess;
  const last = backup.lastRun;
  const failed = last && last.error;
  const drill = backup.lastDrill;
  const tested = backup.lastDrillSuccess;
  const age = backup.successAgeSeconds === null ? "never taken" : `${Model.span(backup.successAgeSeconds)} old`;
  return element("div", "item",
    element("div", "line", mark(failed ? "bad" : good ? "good" : "unknown", backup.running ? "running" : age), element("strong", "grow", backup.name),
      backup.nextRun ? element("span", "small quiet", `next in ${Model.span(-Model.secondsSince(now, backup.nextRun))}`) : null),
    element("p", "small", failed ? `${last.held ? "Not taken now" : "The last run failed"}: ${last.error}` : ""),
    element("p", "small", drill && drill.error ? `The last restore drill failed: ${drill.error}` : ""),
    element("p", "small quiet", tested ? `recovery tested ${Model.span(Model.secondsSince(now, tested.started))} ago, ${Model.span(tested.tookSeconds)}` : good ? "recovery never tested" : ""),
    element("p", "small quiet", `${backup.repository}${good ? `  snapshot ${good.snapshot.slice(0, 8)}` : ""}`));
}

function drillItem(drill, running, now) {
  const told = Model.drill(drill, now);
  const missed = drill.last ? drill.last.expectations.filter((each) => each.state === "missed") : [];
  const runs = running && running.drill === drill.name;
  const id = encodeURIComponent(drill.name);
  return element("div", "item",
    element("div", "line", mark(told.look, told.state), element("strong", "", drill.name), element("span", "grow", `${drill.fault}, on ${drill.component}`),
      runs ? button("Cancel", "", () => window.confirm(`End the drill ${drill.name} and restore?`) && change(`drills/${id}/cancel`, {})) : null),
    drill.last && drill.last.restoreError ? element("p", "small", `NOT RESTORED: ${drill.last.restoreError}`) : null,
    ...missed.map((each) => element("p", "small", `missed: ${each.what}: ${each.why}`)),
    drill.lastRefusal ? element("p", "small quiet", `refused ${Model.span(Model.secondsSince(now, drill.lastRefusal.at))} ago: ${drill.lastRefusal.why}`) : null);
}

function receiverItem(receiver) {
  const broken = receiver.stopped || receiver.consecutiveFailures > 0;
  return element("div", "item",
    element("div", "line", mark(broken ? "bad" : receiver.delivered > 0 ? "good" : "unknown", broken ? "failing" : receiver.delivered > 0 ? "delivers" : "not used yet"),
      element("span", "grow", receiver.integration), element("span", "small quiet", `${receiver.delivered} delivered, ${receiver.waiting} waiting`)),
    element("p", "small", receiver.stopped || (broken ? receiver.lastError : "")));
}

function showVerdict(verdict) {
  const place = document.getElementById("verdict");
  place.className = `verdict ${verdict.look}`;
  place.replaceChildren(element("h1", "", verdict.title), element("p", "", verdict.detail));
  document.title = `${{ good: "✓", bad: "✗", care: "!", unknown: "?" }[verdict.look]} Watchkeeper`;
}

function show(state) {
  const { status, alerts, targets, runs, backups, drills } = state;
  showVerdict(Model.verdict(state));
  showAutomation(status.automation);
  const byState = [...alerts].sort((a, b) => a.state.localeCompare(b.state) || Model.severityRank(a) - Model.severityRank(b));
  fill("alerts", byState.map((alert) => alertItem(alert, status.now)), "No alert is pending or firing.");
  fill("runs", runs.slice(0, 20).map(runItem), "Nothing was decided or done.");
  const order = { down: 0, unknown: 1, up: 2 };
  const byHealth = [...targets].sort((a, b) => order[a.health] - order[b.health]);
  fill("targets", byHealth.map((target) => targetItem(target, status.now)), "No targets are configured.");
  fill("backups", backups.map((backup) => backupItem(backup, status.now)), "No backups are configured.");
  fill("drills", drills.drills.map((drill) => drillItem(drill, drills.running, status.now)), "No drills are configured.");
  fill("receivers", status.receivers.map(receiverItem), "Nobody is told: there are no receivers.");
  document.getElementById("footer").textContent =
    `Watchkeeper ${status.version}, ${status.configuration.file}, up ${Model.span(Model.secondsSince(status.now, status.started))}, ` +
    `${status.ring.series} of ${status.ring.seriesLimit} series, ${Model.span(status.ring.retentionSeconds)} of history`;
}

async function refresh() {
  try {
    const [status, alerts, targets, rules, remediations, backups, drills] = await Promise.all([
      data("/api/watchkeeper/v1/status"), data("/api/v1/alerts"), data("/api/v1/targets?state=active"),
      data("/api/v1/rules?exclude_alerts=true"), data("/api/watchkeeper/v1/remediations"), data("/api/watchkeeper/v1/backups"),
      data("/api/watchkeeper/v1/drills")]);
    lastAnswer = Date.now();
    show({ status, alerts: alerts.alerts, targets: targets.activeTargets, rules: rules.groups.flatMap((group) => group.rules),
      runs: remediations.runs, backups: backups.backups, drills });
    document.getElementById("seen").textContent = `as of ${new Date(lastAnswer).toLocaleTimeString()}`;
  } catch (problem) {
    const since = lastAnswer === null ? "It has not answered yet." : `What stands below is from ${new Date(lastAnswer).toLocaleTimeString()}.`;
    showVerdict({ look: "unknown", title: "The agent does not answer", detail: `${since} (${problem.message})` });
  }
}

async function keepLooking() {
  await refresh();
  setTimeout(keepLooking, kRefreshMs);
}

keepLooking();
