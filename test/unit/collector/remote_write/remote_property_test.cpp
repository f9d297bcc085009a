// SPDX-License-Identifier: Apache-2.0
// Random targets, scrapes that are published late, times of their own, outages, refusals, kills: at the end the
// receiver has what the ring has.
#include <iostream>
#include <random>

#include "test/unit/collector/remote_write/remote_world.h"

namespace collector::remote_write::test {
namespace {

class RemoteProperty : public RemoteWorld {
 protected:
  int random(int least, int most) { return std::uniform_int_distribution<int>(least, most)(random_); }
  bool chance(int percent) { return random(1, 100) <= percent; }

  // Targets with intervals of their own; a scrape's samples may come up to nine seconds after its time.
  void scrape_some() {
    for (std::uint64_t target = 1; target <= 5; ++target) {
      const std::int64_t interval = static_cast<std::int64_t>(target) * 2000;
      std::int64_t& next = next_[target];
      const std::int64_t late = late_ && target == 4 ? random(0, 9) * 1000 : 0;
      if (clock_.unix_ms() < next + late + (late_ ? 0 : interval)) continue;
      next = late_ ? std::max(next + interval, clock_.unix_ms() - late) : clock_.unix_ms();
      Values values;
      for (int n = 0; n < 6; ++n) {
        if (chance(80)) values.emplace_back("m" + std::to_string(n), chance(50) ? 1.0 : random(0, 1000) * 0.1);
      }
      if (chance(5)) values.emplace_back("ending", core::ring::stale_marker());
      if (chance(10)) values.emplace_back("new" + std::to_string(next % 7), 5);
      // An exporter's own times: behind the scrape's by up to three minutes.
      if (late_) values.emplace_back("own@", random(0, 9));
      scrape(target, next, values, next - random(0, 180) * 1000);
    }
  }

  void run(bool refuses_old) {
    const unsigned seed = std::random_device{}();
    std::cout << "seed " << seed << "\n";
    random_.seed(seed);
    const std::int64_t begin = clock_.unix_ms();
    std::uint64_t refused = 0;
    bool down = false;
    receiver_.repeats = true;
    receiver_.respond = [&](const core::net::Request& request) -> Receiver::Answer {
      if (down) return Receiver::refused();
      if (chance(5)) return Receiver::status(503);
      if (refuses_old && has_old(request)) {
        ++refused;
        return Receiver::status(400, {}, "out of order sample");
      }
      return Receiver::status(204);
    };
    const std::string config = "queue_config: {max_samples_per_send: " + std::to_string(random(1, 40)) +
                               ", capacity: 60, min_shards: " + std::to_string(random(1, 3)) + "}\n";
    start(config);
    for (int step = 0; step < 2500; ++step) {
      clock_.advance(core::Millis(random(0, 1000)));
      scrape_some();
      if (chance(1)) down = !down;
      if (chance(2)) {
        kill();
        if (chance(50)) clock_.advance(seconds(random(0, 40)));
        start(config);
      } else if (chance(1)) {
        remote_->stop();
        start(config);
      }
    }
    down = false;
    clock_.advance(minutes(10));
    EXPECT_EQ(receiver_.kept, expected(begin))
        << "refused " << refused << ", of them known to be repeated " << remote_->status().samples_repeated;
    EXPECT_EQ(remote_->status().overwritten_series, 0U);
  }

  // As Prometheus judges a request: one sample that is older than what it has, and none is taken.
  bool has_old(const core::net::Request& request) {
    const auto read = test_support::read_write_request(request.body);
    std::map<std::string, std::pair<std::int64_t, std::uint64_t>> newest;
    for (const auto& sample : read->samples) {
      const std::string name = test_support::text_of(sample.labels);
      if (!newest.contains(name)) {
        const auto& kept = receiver_.kept[name];
        if (!kept.empty()) newest[name] = kept.back();
      }
      const std::pair now(sample.time_ms, sample.bits);
      const auto known = newest.find(name);
      if (known != newest.end() && (now.first < known->second.first ||
                                    (now.first == known->second.first && now.second != known->second.second))) {
        return true;
      }
      newest[name] = now;
    }
    return false;
  }

  bool late_ = true;
  std::mt19937 random_;
  std::map<std::uint64_t, std::int64_t> next_;
};

TEST_F(RemoteProperty, NothingIsLostWhateverHappens) { run(false); }

// A pass that is repeated makes the same requests: one that was taken is refused whole, and nothing else is in it.
TEST_F(RemoteProperty, NothingIsLostWithAReceiverThatRefusesWhatItHas) {
  late_ = false;
  run(true);
}

}  // namespace
}  // namespace collector::remote_write::test
