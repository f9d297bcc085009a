// SPDX-License-Identifier: Apache-2.0
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
// Asio's fences, which ThreadSanitizer cannot see; Asio's own mutex orders the same accesses.
#pragma GCC diagnostic ignored "-Wtsan"
#endif

#include "core/net/io_loop.h"

#include <atomic>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include "core/check.h"

namespace core::net {

namespace asio = boost::asio;
using boost::system::error_code;

// All timers share one Asio timer, armed for the earliest: ties then run in the order they were scheduled, which
// separate Asio timers do not promise.
struct IoLoop::State {
  explicit State(const Clock& loop_clock) : clock(loop_clock) {}

  struct SignalWatch {
    SignalWatch(asio::io_context& context, std::function<void(int)> on_signal)
        : set(context), handler(std::move(on_signal)) {}
    asio::signal_set set;
    std::function<void(int)> handler;
  };

  // REQUIRES: mutex is held.
  void arm() {
    if (timers.empty()) return;
    const SteadyTime earliest = timers.begin()->first.first;
    if (armed && armed_for <= earliest) return;
    armed = true;
    armed_for = earliest;
    timer.expires_after(earliest - clock.steady_now());
    timer.async_wait([this](error_code error) {
      if (!error) run_due();
    });
  }

  void run_due() {
    std::unique_lock lock(mutex);
    armed = false;
    const SteadyTime now = clock.steady_now();
    // Timers made by the tasks below wait for the next round, so that sockets get their turn in between.
    const TimerId made_later = next_timer;
    while (!timers.empty() && timers.begin()->first.first <= now && timers.begin()->first.second < made_later) {
      auto due = timers.extract(timers.begin());
      times.erase(due.key().second);
      lock.unlock();
      due.mapped()();
      lock.lock();
    }
    arm();
  }

  void wait_for_signal(SignalWatch& watch) {
    watch.set.async_wait([this, &watch](error_code error, int signal) {
      if (error) return;
      watch.handler(signal);
      wait_for_signal(watch);
    });
  }

  const Clock& clock;
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
  std::atomic<std::thread::id> thread{};
  std::vector<std::unique_ptr<SignalWatch>> signals;  // confined to the loop's thread

  std::mutex mutex;  // guards all below
  asio::steady_timer timer{context};
  bool armed = false;
  SteadyTime armed_for;
  TimerId next_timer = 1;
  std::map<std::pair<SteadyTime, TimerId>, std::function<void()>> timers;
  std::unordered_map<TimerId, SteadyTime> times;
};

IoLoop::IoLoop(const Clock& clock) : state_(std::make_unique<State>(clock)) {}

IoLoop::~IoLoop() = default;

void IoLoop::run() {
  // relaxed, here and below: a thread compares the value only with its own id, which only it can have stored.
  CHECK(state_->thread.load(std::memory_order_relaxed) == std::thread::id(), "only one thread runs a loop");
  state_->thread.store(std::this_thread::get_id(), std::memory_order_relaxed);
  state_->context.run();
  state_->thread.store(std::thread::id(), std::memory_order_relaxed);
  // A stop() asked for before run() ends that run() at once; only afterwards may the loop go on again.
  state_->context.restart();
}

void IoLoop::stop() { state_->context.stop(); }

bool IoLoop::on_loop_thread() const {
  return state_->thread.load(std::memory_order_relaxed) == std::this_thread::get_id();
}

TimerId IoLoop::schedule_at(SteadyTime when, std::function<void()> task) {
  const std::lock_guard lock(state_->mutex);
  const TimerId id = state_->next_timer++;
  state_->timers.emplace(std::pair(when, id), std::move(task));
  state_->times.emplace(id, when);
  state_->arm();
  return id;
}

bool IoLoop::cancel(TimerId timer) {
  // The task is destroyed after the lock is gone: what it owns may call back into this loop.
  std::map<std::pair<SteadyTime, TimerId>, std::function<void()>>::node_type cancelled;
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->times.find(timer);
  if (found == state_->times.end()) return false;
  cancelled = state_->timers.extract(std::pair(found->second, timer));
  state_->times.erase(found);
  return true;
}

void IoLoop::post(std::function<void()> task) { asio::post(state_->context, std::move(task)); }

void IoLoop::on_signals(const std::vector<int>& signals, std::function<void(int)> handler) {
  // Registered at once, so that no signal falls between this call and the loop's first turn.
  auto watch = std::make_unique<State::SignalWatch>(state_->context, std::move(handler));
  for (const int signal : signals) {
    error_code failure;
    watch->set.add(signal, failure);
    CHECK(!failure, "a signal that can be caught");
  }
  asio::post(state_->context, [state = state_.get(), watch = std::move(watch)]() mutable {
    state->signals.push_back(std::move(watch));
    state->wait_for_signal(*state->signals.back());
  });
}

boost::asio::io_context& IoLoop::context() { return state_->context; }

}  // namespace core::net
