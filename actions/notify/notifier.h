// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "actions/notify/alerting_config.h"
#include "actions/notify/alertmanager_feed.h"
#include "actions/notify/config.h"
#include "actions/notify/delivery.h"
#include "actions/notify/dispatcher.h"
#include "actions/notify/ledger.h"
#include "actions/notify/outbox.h"
#include "core/net/http_client.h"
#include "core/time/scheduler.h"
#include "rules/alert/alert_sink.h"

namespace actions::notify {

// All that a reload may change.
struct NotifierSettings {
  NotifyConfig notify;
  AlertingConfig alerting;
  core::ring::Labels external_labels;  // added to every alert that lacks them
  std::string external_url;            // of our own page, for links in messages
};

// How the notifier is doing, for the API, /-/ready and metrics.
struct NotifierStatus {
  std::string degraded;  // why messages would not survive a crash now; empty: they do
  std::vector<LaneStatus> integrations;
  std::vector<FeedStatus> alertmanagers;
  DispatchCounters dispatch;
  std::size_t groups = 0;
  std::size_t in_flight = 0;
  std::uint64_t news_dropped = 0;  // transitions that did not fit into the inbox; the next refresh brings them again
  std::uint64_t alerts_relabeled_away = 0;
  std::uint64_t unreadable = 0;          // stored groups and messages that could not be read at the start
  std::uint64_t ledger_failures = 0;     // writes that failed and are made again
  std::vector<DeadLetter> dead_letters;  // the newest first, at most kDeadLettersShown
};

// Tells people of alerts. Takes transitions from the rules, decides with the Dispatcher, writes every decision into the
// Ledger before it acts on it, and sends what the Outbox and the AlertmanagerFeed have to send.
//
// Guarantee: a firing or resolution that was decided to be told is delivered, in order per group and receiver, whatever
// is killed when, or counted: as rejected, expired, overflowed, collapsed or orphaned. It is delivered once, but for a
// kill between the receiver's answer and the commit of it, which repeats one message with the same delivery id. While
// the ledger cannot be written (a full disk) messages go on from memory and status() says so.
//
// Thread safety: on_transitions(), reconfigure(), hold() and status() on any thread; the rest happens on the strand, a
// Scheduler whose callbacks run one at a time and may block on the disk: a SerialThread in the agent, the simulated
// clock in tests. HTTP goes through the client, on its loop. Lifetime: the strand must be stopped before the notifier
// is destroyed, and must outlive the client's callbacks.
class Notifier final : public rules::AlertSink {
 public:
  static constexpr std::size_t kInboxMax = 50'000;
  static constexpr std::size_t kDeadLettersShown = 20;
  // Between attempts to write what could not be written.
  static constexpr core::Millis kLedgerRetry = std::chrono::seconds(5);
  // For a firing alert that comes without a time of validity.
  static constexpr core::Millis kDefaultValidity = std::chrono::minutes(5);

  struct Dependencies {
    const core::Clock& clock;
    core::Scheduler& strand;
    core::net::HttpClient& http;
    std::function<double()> jitter;  // in [0, 1); called on the strand
    // A receiver, or an Alertmanager by its URL, has taken a message with these alerts; called on the strand. None:
    // nobody wants to know.
    std::function<void(const std::string& receiver, std::span<const receivers::Alert> alerts)> delivered = {};
  };
  struct Options {
    std::string database_path;
    OutboxLimits outbox;
    std::int64_t database_pages_max = Ledger::kPagesMax;
  };

  // Reads what a former life left and posts its first work to the strand.
  static core::Result<std::unique_ptr<Notifier>> open(const NotifierSettings& settings, Options options,
                                                      Dependencies dependencies);
  ~Notifier() override;

  void on_transitions(std::span<const rules::Transition> transitions) override;
  // kInvalid leaves everything as it was.
  core::Result<void> reconfigure(const NotifierSettings& settings);
  // Starts no more requests; those under way end by themselves. A clean stop waits for in_flight to be 0.
  void hold();
  NotifierStatus status() const;

 private:
  // The settings, made ready.
  struct Setup {
    Delivery delivery;
    std::vector<AlertmanagerTarget> alertmanagers;
    collector::relabel::Rules relabel;
    core::ring::Labels external_labels;
  };
  Notifier(Ledger ledger, Options options, Dependencies dependencies);
  static core::Result<Setup> prepare(const NotifierSettings& settings);

  Instant now() const { return {dependencies_.clock.steady_now(), dependencies_.clock.wall_now()}; }
  void post(std::function<void(Notifier&)> task);
  core::Result<void> restore();
  void apply(Setup setup);
  std::optional<AlertNews> news_of(const rules::Transition& transition);
  void work();
  void carry_out(Effects effects, Instant at, Changes& changes);
  void take_news(Instant at, Changes& changes);
  void send(Instant at, Changes& changes);
  void send_message(const Outbox::Attempt& attempt, Instant at, Changes& changes);
  void on_answer(std::int64_t id, const core::Result<core::net::Response>& answer);
  void on_alertmanager_answer(const std::string& url, const core::Result<core::net::Response>& answer);
  void finish(std::int64_t id, const receivers::Verdict& verdict, Instant at, Changes& changes);
  void tell_delivered(const std::string& receiver, const receivers::Verdict& verdict,
                      std::span<const receivers::Alert> alerts) const;
  void write(Changes changes, Instant at);
  void schedule_wakeup();
  void publish_status(Instant at);

  Dependencies dependencies_;
  std::shared_ptr<Notifier*> self_;  // gone when this is: late callbacks find nobody

  // On the strand.
  Ledger ledger_;
  Outbox outbox_;
  AlertmanagerFeed feed_;
  std::optional<Dispatcher> dispatcher_;
  std::vector<Group> restored_groups_;  // until the first apply()
  Setup setup_;
  struct Transfer {
    core::net::TransferId transfer = 0;
    std::string integration;
    std::string url;
    std::vector<receivers::Alert> alerts;  // for Dependencies::delivered
  };
  std::map<std::int64_t, Transfer> under_way_;
  std::map<std::string, core::net::TransferId> feeds_under_way_;
  core::TimerId timer_ = 0;
  bool holding_ = false;
  std::string degraded_;
  core::SteadyTime ledger_retry_at_{};
  std::uint64_t relabeled_away_ = 0;
  std::uint64_t unreadable_ = 0;
  std::uint64_t ledger_failures_ = 0;
  std::deque<DeadLetter> dead_letters_;

  mutable std::mutex mutex_;
  std::vector<rules::Transition> inbox_;  // guarded by mutex_
  bool work_posted_ = false;              // guarded by mutex_
  std::uint64_t news_dropped_ = 0;        // guarded by mutex_
  NotifierStatus status_;                 // guarded by mutex_
};

}  // namespace actions::notify
