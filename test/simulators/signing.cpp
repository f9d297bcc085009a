// SPDX-License-Identifier: Apache-2.0
#include "test/simulators/signing.h"

#include <nlohmann/json.hpp>

namespace simulators {

namespace {

using nlohmann::json;
using Request = httplib::Request;
using Response = httplib::Response;

constexpr int kNeverAsk = 418;

void answer(Response& response, const json& body, int status = 200) {
  response.status = status;
  response.set_content(body.dump(), "application/json");
}

void refuse(Response& response, const char* why) {
  response.status = kNeverAsk;
  response.set_content(why, "text/plain");
}

void add_healthcheck(httplib::Server& server, const Chain& chain) {
  server.Get("/healthcheck", [&chain](const Request&, Response& response) {
    const auto on = [&chain](const char* fault) { return chain.faults().active("web3signer", fault); };
    if (on("old")) {
      response.status = 404;
      return;
    }
    const auto state = [](bool down) { return down ? "DOWN" : "UP"; };
    const bool down = on("db-down") || on("keys-down");
    json checks = {{{"id", "default-check"}, {"status", "UP"}},
                   {{"id", "keys-check/keystores-bulk-loading"},
                    {"status", state(on("keys-down"))},
                    {"data", {{"keys-loaded", 2}, {"error-count", on("keys-down") ? 1 : 0}}}}};
    if (!on("unprotected")) {
      checks.push_back({{"id", "slashing-protection-db-health-check"}, {"status", state(on("db-down"))}});
    }
    answer(response, {{"status", state(down)}, {"checks", checks}, {"outcome", state(down)}}, down ? 503 : 200);
  });
}

}  // namespace

void add_web3signer(httplib::Server& server, const Chain& chain) {
  server.Get("/upcheck", [](const Request&, Response& response) { response.set_content("OK", "text/plain"); });
  add_healthcheck(server, chain);
  server.Get("/api/v1/eth2/publicKeys", [&chain](const Request&, Response& response) {
    answer(response, {chain.hash("key", 1, 48), chain.hash("key", 2, 48)});
  });
  server.Get("/api/v1/eth2/highWatermark", [&chain](const Request&, Response& response) {
    if (!chain.faults().active("web3signer", "fenced")) return answer(response, json::object());
    const auto slot = chain.slot() - std::min<std::uint64_t>(chain.slot(), kSlotsPerEpoch);
    answer(response, {{"epoch", std::to_string(slot / kSlotsPerEpoch)}, {"slot", std::to_string(slot)}});
  });
  server.Get("/metrics", [](const Request&, Response& response) {
    response.set_content(
        "# HELP eth2_slashingprotection_prevented_signings_total Signatures refused\n"
        "# TYPE eth2_slashingprotection_prevented_signings_total counter\n"
        "eth2_slashingprotection_prevented_signings_total{artifactType=\"BLOCK\",} 0.0\n",
        "text/plain; version=0.0.4");
  });
  server.Post(R"(/api/v1/eth2/sign/.*)",
              [](const Request&, Response& response) { refuse(response, "an observer asked for a signature"); });
}

void add_mev_boost(httplib::Server& server, const Chain& chain) {
  server.Get("/eth/v1/builder/status", [&chain](const Request&, Response& response) {
    if (!chain.faults().active("mevboost", "no-relay")) return answer(response, json::object());
    answer(response, {{"code", 503}, {"message", "all relays are unavailable"}}, 503);
  });
  const auto never = [](const Request&, Response& response) { refuse(response, "an observer asked for a block"); };
  server.Post("/eth/v1/builder/validators", never);
  server.Post("/eth/v1/builder/blinded_blocks", never);
  server.Get(R"(/eth/v1/builder/header/.*)", never);
}

}  // namespace simulators
