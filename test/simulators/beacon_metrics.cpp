// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <functional>

#include <fmt/format.h>

#include "test/simulators/beacon_node.h"
#include "test/simulators/exposition.h"

namespace simulators {

namespace {

constexpr double kSecondsPerEpoch = kSecondsPerSlot * static_cast<double>(kSlotsPerEpoch);
constexpr double kEffectiveBalanceGwei = 32e9;
constexpr double kActiveValidators = 1'050'000;

double number(std::uint64_t value) { return static_cast<double>(value); }

void add_head(RustText& text, const Chain& chain) {
  text.value("slotclock_present_slot", "gauge", number(chain.slot()));
  text.value("slotclock_present_epoch", "gauge", number(chain.epoch()));
  text.value("slotclock_slot_time_seconds", "gauge", kSecondsPerSlot);
  text.value("slotclock_slots_per_epoch", "gauge", number(kSlotsPerEpoch));
  const std::uint64_t head = chain.beacon_head_slot();
  text.value("beacon_head_slot", "gauge", number(head));
  text.value("beacon_head_state_slot", "gauge", number(head));
  text.value("beacon_head_state_latest_block_slot", "gauge", number(head));
  text.value("beacon_head_state_finalized_epoch", "gauge", number(chain.finalized_epoch()));
  text.value("beacon_head_state_current_justified_epoch", "gauge", number(chain.justified_epoch()));
  text.value("beacon_head_state_previous_justified_epoch", "gauge", number(chain.finalized_epoch()));
  text.value("beacon_finalized_epoch", "gauge", number(chain.finalized_epoch()));
  text.value("beacon_current_justified_epoch", "gauge", number(chain.justified_epoch()));
  text.value("beacon_previous_justified_epoch", "gauge", number(chain.finalized_epoch()));
  text.value("beacon_head_state_active_validators_total", "gauge", kActiveValidators);
  text.value("beacon_head_state_total_validators_total", "gauge", kActiveValidators * 1.8);
  text.value("beacon_head_state_slashed_validators_total", "gauge", 480);
  const double staked = kActiveValidators * kEffectiveBalanceGwei;
  const double attesting = staked * (0.992 + 0.006 * chain.noise("participation", chain.epoch()));
  text.value("beacon_participation_current_epoch_active_gwei_total", "gauge", staked);
  text.value("beacon_participation_prev_epoch_target_attesting_gwei_total", "gauge", attesting);
  text.value("beacon_participation_prev_epoch_head_attesting_gwei_total", "gauge", attesting * 0.993);
  const bool behind = chain.slot() > head + 4;
  text.value("sync_eth2_synced", "gauge", behind ? 0 : 1);
  text.value("sync_slots_per_second", "gauge", behind ? 0 : std::round(100 / kSecondsPerSlot) / 100);
}

void add_network(RustText& text, const Chain& chain) {
  const double peers = number(chain.beacon_peers());
  text.value("libp2p_peers", "gauge", peers);
  text.family("libp2p_peers_per_client", "gauge",
              {{{{"Client", "Lighthouse"}}, std::ceil(peers / 2)}, {{{"Client", "Prysm"}}, std::floor(peers / 4)}});
  text.family("libp2p_peers_multi", "gauge",
              {{{{"direction", "inbound"}, {"transport", "tcp"}}, std::floor(peers / 3)},
               {{{"direction", "outbound"}, {"transport", "quic"}}, peers - std::floor(peers / 3)}});
}

void add_execution_layer(RustText& text, const Chain& chain) {
  const bool offline = chain.faults().active("beacon", "execution-layer-offline");
  const double answered = chain.seconds() - chain.faults().total_seconds("beacon", "execution-layer-offline");
  const double calls = std::floor(answered / kSecondsPerSlot);
  text.family("execution_layer_payload_status", "counter",
              {{{{"method", "new_payload"}, {"status", "valid"}}, calls},
               {{{"method", "forkchoice_updated"}, {"status", "valid"}}, calls * 2}});
  text.value("optimistic_sync", "gauge", offline ? 1 : 0);
  text.family("execution_layer_info", "gauge",
              {{{{"code", "GE"}, {"name", "Geth"}, {"version", "v1.17.6"}, {"commit", "0a1b2c3d"}}, 1}});
}

// Per validator and once more for all of them, under the name "total": a sum over the family counts twice.
void per_validator(RustText& text, const char* name, const char* type,
                   const std::function<double(std::uint64_t)>& value) {
  Samples samples;
  double total = 0;
  for (std::uint64_t i = 0; i < kValidators; ++i) {
    samples.push_back({{{"validator", std::to_string(kFirstValidatorIndex + i)}}, value(i)});
    total += value(i);
  }
  samples.push_back({{{"validator", "total"}}, total});
  text.family(name, type, samples);
}

void add_validator_monitor(RustText& text, const Chain& chain) {
  const double count = number(kValidators);
  const double missing_seconds = chain.faults().total_seconds("validator", "missed-attestations");
  // Each validator has one duty an epoch; theirs are spread over the epoch, so that duties and misses come one by one.
  const auto done_by = [count](double seconds, std::uint64_t validator) {
    return std::floor(seconds / kSecondsPerEpoch + (count - number(validator)) / (count + 1));
  };
  const auto missed = [&](std::uint64_t i) { return done_by(missing_seconds, i); };
  const auto hit = [&](std::uint64_t i) { return done_by(chain.seconds() - missing_seconds, i); };
  per_validator(text, "validator_monitor_prev_epoch_on_chain_attester_hit", "counter", hit);
  per_validator(text, "validator_monitor_prev_epoch_on_chain_attester_miss", "counter", missed);
  per_validator(text, "validator_monitor_prev_epoch_on_chain_head_attester_hit", "counter", hit);
  per_validator(text, "validator_monitor_prev_epoch_on_chain_head_attester_miss", "counter", missed);
  per_validator(text, "validator_monitor_balance_gwei", "gauge", [&](std::uint64_t i) { return 32e9 + 9000 * hit(i); });
  per_validator(text, "validator_monitor_active", "gauge", [](std::uint64_t) { return 1; });
  text.value("validator_monitor_validators_total", "gauge", count);
}

void add_machine(RustText& text, const Chain& chain) {
  const double filling = chain.faults().total_seconds("beacon", "disk-filling");
  text.value("store_disk_db_size", "gauge", std::floor(180e9 + chain.seconds() * 40e3 + filling * 250e6));
  // 37 names of Lighthouse that end in _total are gauges; these are two of them.
  text.value("process_cpu_seconds_total", "gauge", std::floor(chain.seconds() * 0.7));
  text.value("cpu_user_seconds_total", "gauge", std::floor(chain.seconds() * 1.9));
  text.value("process_num_threads", "gauge", 48);
  text.value("process_resident_memory_bytes", "gauge", std::floor(5.2e9 + 1e8 * chain.noise("rss", chain.slot())));
  text.value("process_virtual_memory_bytes", "gauge", 9.1e9);
  text.value("process_start_time_seconds", "gauge", static_cast<double>(chain.start_unix_seconds() - 86400));
}

void refuse_unknown_paths(httplib::Server& server, const char* path) {
  const auto method_not_allowed = [](const httplib::Request&, httplib::Response& response) { response.status = 405; };
  server.Post(path, method_not_allowed).Put(path, method_not_allowed).Delete(path, method_not_allowed);
}

}  // namespace

void add_beacon_metrics(httplib::Server& server, const Chain& chain) {
  refuse_unknown_paths(server, "/metrics");
  server.Get("/metrics", [&chain](const httplib::Request&, httplib::Response& response) {
    RustText text(chain);
    add_head(text, chain);
    add_network(text, chain);
    add_execution_layer(text, chain);
    add_validator_monitor(text, chain);
    add_machine(text, chain);
    text.catalog(kBeaconFamilies);
    // The same family with its HELP and TYPE a second time, as the client really prints it.
    text.family("store_disk_db_read_count_total", "counter", {{{{"col", "ste_archive"}}, std::floor(chain.seconds())}});
    text.open_metrics(kLibp2pFamilies);
    response.set_content(text.take(), "text/plain");
  });
}

void add_validator_metrics(httplib::Server& server, const Chain& chain) {
  refuse_unknown_paths(server, "/metrics");
  server.Get("/metrics", [&chain](const httplib::Request&, httplib::Response& response) {
    RustText text(chain);
    const double count = number(kValidators);
    const double able = chain.seconds() - chain.faults().total_seconds("validator", "missed-attestations");
    // Every validator attests once an epoch, so the keys together a few times in a slot.
    const double signed_by_now = std::floor(able / kSecondsPerEpoch * count);
    text.value("vc_validators_enabled_count", "gauge", count);
    text.value("vc_validators_total_count", "gauge", count);
    text.value("vc_genesis_distance_seconds", "gauge", 0);
    text.family("vc_signed_attestations_total", "counter", {{{{"status", "success"}}, 5000 + signed_by_now}});
    text.family("vc_signed_beacon_blocks_total", "counter",
                {{{{"status", "success"}}, 12 + std::floor(chain.seconds() / 40000)}});
    const bool node_offline = chain.faults().active("beacon", "gone") || chain.faults().active("beacon", "hung");
    const bool node_behind = chain.slot() > chain.beacon_head_slot() + 4;
    text.value("vc_beacon_nodes_total_count", "gauge", 1);
    text.value("vc_beacon_nodes_available_count", "gauge", node_offline ? 0 : 1);
    text.value("vc_beacon_nodes_synced_count", "gauge", node_offline || node_behind ? 0 : 1);
    Samples duties;
    for (std::uint64_t i = 0; i < kValidators; ++i) {
      const std::string key = chain.hash("pubkey", kFirstValidatorIndex + i, 48);
      duties.push_back({{{"validator", key.substr(0, 12)}}, number(chain.epoch() * kSlotsPerEpoch + i * 2)});
    }
    text.family("vc_attestation_duty_slot", "gauge", duties);
    text.value("process_resident_memory_bytes", "gauge", 1.6e8);
    text.value("process_start_time_seconds", "gauge", static_cast<double>(chain.start_unix_seconds() - 86400));
    text.catalog(kValidatorFamilies);
    response.set_content(text.take(), "text/plain");
  });
}

}  // namespace simulators
