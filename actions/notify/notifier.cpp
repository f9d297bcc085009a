// SPDX-License-Identifier: Apache-2.0
#include "actions/notify/notifier.h"

#include <algorithm>
#include <utility>

#include "core/check.h"

namespace actions::notify {
namespace {

using core::Errc;
using core::fail;
using core::Result;
using core::net::Response;
using receivers::Verdict;
using rules::AlertState;
using rules::Transition;

// The address of a receiver is a secret: it must not stand in an error text.
std::string redacted(std::string text, const std::string& url) {
  if (url.empty()) return text;
  for (std::size_t at = text.find(url); at != std::string::npos; at = text.find(url, at)) {
    text.replace(at, url.size(), "<redacted>");
  }
  return text;
}

Verdict verdict_of_failure(const core::Error& error, const std::string& url) {
  return {.kind = Verdict::Kind::kRetry, .pause = {}, .why = redacted(error.message, url)};
}

}  // namespace

Notifier::Notifier(Ledger ledger, Options options, Dependencies dependencies)
    : dependencies_(std::move(dependencies)),
      self_(std::make_shared<Notifier*>(this)),
      ledger_(std::move(ledger)),
      outbox_(options.outbox) {}

Notifier::~Notifier() {
  self_.reset();
  for (const auto& [id, transfer] : under_way_) dependencies_.http.cancel(transfer.transfer);
  for (const auto& [url, transfer] : feeds_under_way_) dependencies_.http.cancel(transfer);
  if (timer_ != 0) dependencies_.strand.cancel(timer_);
}

Result<Notifier::Setup> Notifier::prepare(const NotifierSettings& settings) {
  Setup setup;
  auto delivery = build_delivery(settings.notify, settings.external_url);
  if (!delivery) return fail(delivery.error());
  auto targets = build_targets(settings.alerting);
  if (!targets) return fail(targets.error());
  auto relabel = collector::relabel::Rules::compile(settings.alerting.alert_relabel_configs,
                                                    collector::relabel::NameValidation::kUtf8);
  if (!relabel) return fail(relabel.error());
  setup.delivery = std::move(*delivery);
  setup.alertmanagers = std::move(*targets);
  setup.relabel = std::move(*relabel);
  setup.external_labels = settings.external_labels;
  return setup;
}

Result<std::unique_ptr<Notifier>> Notifier::open(const NotifierSettings& settings, Options options,
                                                 Dependencies dependencies) {
  auto setup = prepare(settings);
  if (!setup) return fail(setup.error());
  auto ledger = Ledger::open(options.database_path, options.database_pages_max);
  if (!ledger) return fail(ledger.error());
  std::unique_ptr<Notifier> notifier(new Notifier(std::move(*ledger), std::move(options), std::move(dependencies)));
  if (auto restored = notifier->restore(); !restored) return fail(restored.error());
  notifier->publish_status(notifier->now());
  notifier->post([ready = std::make_shared<Setup>(std::move(*setup))](Notifier& self) {
    self.apply(std::move(*ready));
    self.work();
  });
  return notifier;
}

Result<void> Notifier::restore() {
  auto content = ledger_.load();
  if (!content) return fail(content.error());
  const Instant at = now();
  for (const std::string& document : content->groups) {
    auto group = group_from_json(document, at);
    if (group) {
      restored_groups_.push_back(std::move(*group));
    } else {
      ++unreadable_;
    }
  }
  Changes changes;
  for (const OutboxRow& row : content->rows) {
    if (outbox_.restore(row, at)) continue;
    ++unreadable_;
    changes.dead_letters.push_back({row.integration, row.key, row.document, core::to_unix_ms(at.wall), "unreadable"});
    changes.remove_row(row.id);
  }
  auto letters = ledger_.dead_letters(kDeadLettersShown);
  if (!letters) return fail(letters.error());
  dead_letters_.assign(letters->begin(), letters->end());
  write(std::move(changes), at);
  return {};
}

Result<void> Notifier::reconfigure(const NotifierSettings& settings) {
  auto setup = prepare(settings);
  if (!setup) return fail(setup.error());
  post([ready = std::make_shared<Setup>(std::move(*setup))](Notifier& self) {
    self.apply(std::move(*ready));
    self.work();
  });
  return {};
}

void Notifier::hold() {
  post([](Notifier& self) {
    self.holding_ = true;
    self.work();
  });
}

NotifierStatus Notifier::status() const {
  const std::lock_guard lock(mutex_);
  NotifierStatus status = status_;
  status.news_dropped = news_dropped_;
  return status;
}

void Notifier::post(std::function<void(Notifier&)> task) {
  dependencies_.strand.post([weak = std::weak_ptr(self_), task = std::move(task)] {
    if (const auto self = weak.lock()) task(**self);
  });
}

void Notifier::on_transitions(std::span<const Transition> transitions) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    for (const Transition& transition : transitions) {
      if (inbox_.size() < kInboxMax) {
        inbox_.push_back(transition);
      } else {
        ++news_dropped_;
      }
    }
    wake = !inbox_.empty() && !std::exchange(work_posted_, true);
  }
  if (wake) post([](Notifier& self) { self.work(); });
}

// On the strand from here on.

void Notifier::apply(Setup setup) {
  const Instant at = now();
  Changes changes;
  std::set<std::string> before = outbox_.integrations();
  for (const Group& group : restored_groups_) {
    for (const auto& [integration, told] : group.told) before.insert(integration);
  }
  const std::set<std::string> known = setup.delivery.ids();
  const std::map<std::string, std::string> new_ids = match_ids(before, known);
  setup_ = std::move(setup);
  outbox_.reconfigure(new_ids, known, changes);
  feed_.configure(std::move(setup_.alertmanagers));
  if (!setup_.delivery.routing) {
    if (dispatcher_) {
      for (const auto& [id, group] : dispatcher_->groups()) changes.remove_group(id);
    }
    for (const Group& group : restored_groups_) changes.remove_group(group.id);
    dispatcher_.reset();
  } else {
    if (!dispatcher_) dispatcher_.emplace(setup_.delivery.routing);
    for (Group& group : restored_groups_) dispatcher_->restore(std::move(group));
    dispatcher_->rename_integrations(new_ids);
    carry_out(dispatcher_->apply(setup_.delivery.routing, at), at, changes);
  }
  restored_groups_.clear();
  write(std::move(changes), at);
}

std::optional<AlertNews> Notifier::news_of(const Transition& transition) {
  const bool firing = transition.to == AlertState::kFiring;
  const bool resolved = transition.to == AlertState::kInactive && transition.from != AlertState::kPending;
  if (!firing && !resolved) return std::nullopt;
  collector::relabel::LabelBuilder labels(transition.labels);
  for (const core::ring::Label& label : setup_.external_labels) {
    if (labels.get(label.name).empty()) labels.set(label.name, label.value);
  }
  if (!setup_.relabel.apply(labels) || labels.pairs().empty()) {
    ++relabeled_away_;
    return std::nullopt;
  }
  AlertNews news;
  news.alert.labels = labels.build();
  news.alert.annotations = transition.annotations;
  news.alert.starts_at = transition.fired_at.value_or(firing ? transition.at : transition.active_at);
  if (resolved) news.alert.ends_at = transition.resolved_at.value_or(transition.at);
  news.alert.generator_url = transition.generator_url;
  news.valid_for = transition.valid_for > core::Millis(0) ? transition.valid_for : kDefaultValidity;
  return news;
}

void Notifier::take_news(Instant at, Changes& changes) {
  std::vector<Transition> transitions;
  {
    const std::lock_guard lock(mutex_);
    transitions.swap(inbox_);
    work_posted_ = false;
  }
  Effects effects;
  for (const Transition& transition : transitions) {
    const auto news = news_of(transition);
    if (!news) continue;
    feed_.add(*news, at);
    if (dispatcher_) effects.add(dispatcher_->on_alert(*news, at));
  }
  if (dispatcher_) effects.add(dispatcher_->on_time(at));
  carry_out(std::move(effects), at, changes);
}

void Notifier::carry_out(Effects effects, Instant at, Changes& changes) {
  for (Outgoing& message : effects.messages) outbox_.add(std::move(message), at, changes);
  for (const std::string& id : effects.changed_groups) {
    const auto found = dispatcher_->groups().find(id);
    if (found != dispatcher_->groups().end()) changes.save_group(id, to_json(found->second, at));
  }
  for (const std::string& id : effects.removed_groups) changes.remove_group(id);
}

void Notifier::work() {
  const Instant at = now();
  Changes changes;
  take_news(at, changes);
  outbox_.expire(at, changes);
  // Written down before anything is sent.
  write(std::move(changes), at);
  Changes after;
  if (!holding_) send(at, after);
  if (!after.empty()) write(std::move(after), at);
  schedule_wakeup();
  publish_status(at);
}

void Notifier::send(Instant at, Changes& changes) {
  while (const auto attempt = outbox_.next(at)) send_message(*attempt, at, changes);
  while (auto batch = feed_.next(at)) {
    const std::string url = batch->url;
    feeds_under_way_[url] = dependencies_.http.send(
        std::move(batch->request),
        [weak = std::weak_ptr(self_), strand = &dependencies_.strand, url](Result<Response> answer) {
          strand->post([weak, url, answer = std::move(answer)] {
            if (const auto self = weak.lock()) (*self)->on_alertmanager_answer(url, answer);
          });
        });
  }
}

void Notifier::send_message(const Outbox::Attempt& attempt, Instant at, Changes& changes) {
  const std::int64_t id = attempt.id;
  const auto receiver = setup_.delivery.integrations.find(*attempt.integration);
  CHECK(receiver != setup_.delivery.integrations.end(), "the outbox drops messages of unknown integrations");
  auto request = receiver->second->build(*attempt.notification);
  if (!request) {
    Verdict verdict = verdict_of_failure(request.error(), "");
    const Errc code = request.error().code;
    if (code == Errc::kInvalid || code == Errc::kNotSupported) verdict.kind = Verdict::Kind::kReject;
    finish(id, verdict, at, changes);
    return;
  }
  Transfer& transfer = under_way_[id];
  transfer.integration = *attempt.integration;
  transfer.url = request->url;
  if (dependencies_.delivered) transfer.alerts = attempt.notification->alerts;
  transfer.transfer = dependencies_.http.send(
      std::move(*request), [weak = std::weak_ptr(self_), strand = &dependencies_.strand, id](Result<Response> answer) {
        strand->post([weak, id, answer = std::move(answer)] {
          if (const auto self = weak.lock()) (*self)->on_answer(id, answer);
        });
      });
}

void Notifier::on_answer(std::int64_t id, const Result<Response>& answer) {
  auto transfer = under_way_.extract(id);
  if (!transfer) return;
  const Instant at = now();
  Changes changes;
  const auto receiver = setup_.delivery.integrations.find(transfer.mapped().integration);
  Verdict verdict;
  if (!answer) {
    verdict = verdict_of_failure(answer.error(), transfer.mapped().url);
  } else if (receiver != setup_.delivery.integrations.end()) {
    verdict = receiver->second->judge(*answer, at.wall);
  } else {
    // The integration was renamed or removed meanwhile; a plain reading of the status is right for each of them.
    verdict = receivers::judge_status(*answer, at.wall);
  }
  finish(id, verdict, at, changes);
  write(std::move(changes), at);
  tell_delivered(transfer.mapped().integration, verdict, transfer.mapped().alerts);
  work();
}

void Notifier::on_alertmanager_answer(const std::string& url, const Result<Response>& answer) {
  feeds_under_way_.erase(url);
  const Instant at = now();
  const Verdict verdict =
      answer ? receivers::judge_alertmanager(*answer, at.wall) : verdict_of_failure(answer.error(), "");
  if (dependencies_.delivered) tell_delivered(url, verdict, feed_.in_flight(url));
  feed_.finish(url, verdict, at);
  work();
}

void Notifier::tell_delivered(const std::string& receiver, const Verdict& verdict,
                              std::span<const receivers::Alert> alerts) const {
  if (dependencies_.delivered && verdict.kind == Verdict::Kind::kDelivered) dependencies_.delivered(receiver, alerts);
}

void Notifier::finish(std::int64_t id, const Verdict& verdict, Instant at, Changes& changes) {
  const std::size_t before = changes.dead_letters.size();
  outbox_.finish(id, verdict, at, dependencies_.jitter(), changes);
  for (std::size_t i = before; i < changes.dead_letters.size(); ++i) {
    dead_letters_.push_front(changes.dead_letters[i]);
    if (dead_letters_.size() > kDeadLettersShown) dead_letters_.pop_back();
  }
}

void Notifier::write(Changes changes, Instant at) {
  if (changes.empty() && !ledger_.behind()) return;
  // While it fails it is tried again at its own pace, unless there is something new to keep.
  if (changes.empty() && at.steady < ledger_retry_at_) return;
  if (auto written = ledger_.write(std::move(changes)); !written) {
    ++ledger_failures_;
    degraded_ = "notifications are sent from memory only: " + written.error().message;
    ledger_retry_at_ = at.steady + kLedgerRetry;
  } else {
    degraded_.clear();
  }
}

void Notifier::schedule_wakeup() {
  std::optional<core::SteadyTime> next;
  const auto consider = [&](std::optional<core::SteadyTime> when) {
    if (when) next = next ? std::min(*next, *when) : *when;
  };
  if (dispatcher_) consider(dispatcher_->next_wakeup());
  if (!holding_) {
    consider(outbox_.next_wakeup());
    consider(feed_.next_wakeup());
  }
  if (ledger_.behind()) consider(ledger_retry_at_);
  if (timer_ != 0) dependencies_.strand.cancel(std::exchange(timer_, 0));
  if (!next) return;
  timer_ = dependencies_.strand.schedule_at(*next, [weak = std::weak_ptr(self_)] {
    const auto self = weak.lock();
    if (!self) return;
    (*self)->timer_ = 0;
    (*self)->work();
  });
}

void Notifier::publish_status(Instant at) {
  NotifierStatus status;
  status.degraded = degraded_;
  status.integrations = outbox_.status(at);
  status.alertmanagers = feed_.status();
  if (dispatcher_) {
    status.dispatch = dispatcher_->counters();
    status.groups = dispatcher_->groups().size();
  }
  status.in_flight = under_way_.size() + feeds_under_way_.size();
  status.alerts_relabeled_away = relabeled_away_;
  status.unreadable = unreadable_;
  status.ledger_failures = ledger_failures_;
  status.dead_letters.assign(dead_letters_.begin(), dead_letters_.end());
  const std::lock_guard lock(mutex_);
  status_ = std::move(status);
}

}  // namespace actions::notify
