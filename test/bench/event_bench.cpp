// SPDX-License-Identifier: Apache-2.0
// How long a beacon node's event is under way: from the write to the socket until its sample can be read from the ring,
// through the agent's own parts - HTTP client, event stream, shard, mapped ring. The bar is 5 ms.
//
//   event_bench [EVENTS]      default 500, one every 10 ms; exits with 1 if one got lost
#include <fmt/format.h>
#include <httplib.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <condition_variable>
#include <cstdio>
#include <future>
#include <mutex>
#include <thread>

#include "collector/scrape/shard.h"
#include "collector/staking/chain_watch.h"
#include "core/net/http_client.h"
#include "core/net/io_loop.h"
#include "core/ring/mapped_ring.h"
#include "core/time/clock.h"
#include "test/support/background_process.h"

namespace {

using core::ring::Matcher;

constexpr core::Duration kEvery = std::chrono::milliseconds(10);
constexpr core::Duration kLost = std::chrono::seconds(5);
constexpr std::int64_t kSlotSeconds = 12;

// A beacon node that says what it is told, when it is told.
class BeaconNode {
 public:
  explicit BeaconNode(const core::Clock& clock) : genesis_(core::to_unix_ms(clock.wall_now()) / 1000 - 12'000) {
    server_.Get("/eth/v1/beacon/genesis", [this](const httplib::Request&, httplib::Response& answer) {
      answer.set_content(
          fmt::format(R"({{"data":{{"genesis_time":"{}","genesis_validators_root":"0x{:064}"}}}})", genesis_, 7),
          "application/json");
    });
    server_.Get("/eth/v1/config/spec", [](const httplib::Request&, httplib::Response& answer) {
      answer.set_content(fmt::format(R"({{"data":{{"SECONDS_PER_SLOT":"{}","SLOTS_PER_EPOCH":"32"}}}})", kSlotSeconds),
                         "application/json");
    });
    server_.Get("/eth/v1/events", [this](const httplib::Request&, httplib::Response& answer) {
      answer.set_chunked_content_provider("text/event-stream", [this](std::size_t, httplib::DataSink& sink) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return stopped_ || !text_.empty(); });
        const std::string text = std::exchange(text_, "");
        lock.unlock();
        // Before the stream ends it is written: an empty piece would end it.
        return !text.empty() && sink.write(text.data(), text.size());
      });
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::jthread([this] { server_.listen_after_bind(); });
  }
  ~BeaconNode() {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    changed_.notify_all();
    server_.stop();
  }

  int port() const { return port_; }
  void tell_head(std::uint64_t slot) {
    {
      const std::lock_guard lock(mutex_);
      text_ += fmt::format(
          "event: head\ndata: {{\"slot\":\"{}\",\"block\":\"0x{:064}\",\"epoch_transition\":false}}\n\n", slot, slot);
    }
    changed_.notify_all();
  }

 private:
  const std::int64_t genesis_;
  httplib::Server server_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string text_;      // guarded by mutex_
  bool stopped_ = false;  // guarded by mutex_
  int port_ = 0;
  std::jthread thread_;
};

std::optional<double> last_head(const core::ring::Reader& reader) {
  const std::array matchers{Matcher::equal("__name__", "watchkeeper_events_head_slot")};
  const auto found = reader.select(matchers);
  if (found.size() != 1) return std::nullopt;
  const auto sample = reader.last(found[0].ref);
  return sample ? std::optional(sample->value) : std::nullopt;
}

int number(int argc, char** argv, int otherwise) {
  int value = 0;
  if (argc > 1) std::from_chars(argv[1], argv[1] + std::string_view(argv[1]).size(), value);
  return value > 0 ? value : otherwise;
}

}  // namespace

int main(int argc, char** argv) {
  const int events = number(argc, argv, 500);
  const core::SystemClock clock;
  BeaconNode node(clock);
  const auto folder = test_support::fresh_folder("event-bench");
  core::ring::MappedRingOptions options;
  options.path = (folder / "ring").string();
  options.size_bytes = 16 << 20;
  auto ring = core::ring::open_mapped_ring(options);
  if (!ring) {
    std::fprintf(stderr, "%s\n", ring.error().message.c_str());
    return 1;
  }
  auto shard = collector::scrape::make_thread_shard(**ring);
  core::net::IoLoop loop(clock);
  auto http = core::net::make_http_client(loop, clock);
  auto watch = std::make_unique<collector::staking::ChainWatch>(collector::staking::ChainWatch::Context{
      *http, loop, clock, *shard, [](const collector::scrape::Arrival&) {}, [] { return 0.5; }, {}});
  collector::staking::StakingConfig config;
  config.network.from_beacon_node = true;
  config.beacon_nodes.emplace_back();
  config.beacon_nodes.back().name = "node";
  config.beacon_nodes.back().url = fmt::format("http://127.0.0.1:{}", node.port());
  loop.post([&] { watch->configure(config, std::make_shared<collector::staking::Network>(config.network), "here"); });
  std::jthread running([&] { loop.run(); });

  std::vector<core::Duration> took;
  int lost = 0;
  auto& reader = (*ring)->reader();
  for (int i = 0; i <= events; ++i) {
    const std::uint64_t slot = 1000 + static_cast<std::uint64_t>(i);
    const auto told = clock.steady_now();
    node.tell_head(slot);
    while (last_head(reader) != static_cast<double>(slot) && clock.steady_now() - told < kLost) {
      std::this_thread::yield();
    }
    const auto arrived = clock.steady_now();
    // The first one waits for the connection.
    if (i > 0) took.push_back(arrived - told);
    if (arrived - told >= kLost) ++lost;
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable().wait_until(lock, told + kEvery, [] { return false; });
  }
  std::promise<void> ended;
  loop.post([&] {
    watch.reset();
    http.reset();
    ended.set_value();
  });
  ended.get_future().wait();
  loop.stop();
  running.join();

  std::ranges::sort(took);
  const auto ms = [&](std::size_t at) { return std::chrono::duration<double, std::milli>(took[at]).count(); };
  const std::size_t last = took.size() - 1;
  fmt::print(
      "beacon head event to sample, {} events: p50 {:.3f} ms, p99 {:.3f} ms, max {:.3f} ms, lost {} (bar 5 ms)\n",
      took.size(), ms(last / 2), ms(last * 99 / 100), ms(last), lost);
  return lost == 0 ? 0 : 1;
}
