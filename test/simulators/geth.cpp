// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "test/simulators/execution_node.h"
#include "test/simulators/exposition.h"

namespace simulators {

namespace {

using nlohmann::json;
using Request = httplib::Request;
using Response = httplib::Response;

// JSON-RPC 2.0, section 5.1.
constexpr int kParseError = -32700;
constexpr int kInvalidRequest = -32600;
constexpr int kMethodNotFound = -32601;
constexpr int kInvalidParams = -32602;

constexpr std::size_t kRpcBodyBytesMax = 5 << 20;

json failure(const json& id, int code, const std::string& message) {
  return {{"jsonrpc", "2.0"}, {"id", id}, {"error", {{"code", code}, {"message", message}}}};
}

std::string hex(std::uint64_t value) { return fmt::format("0x{:x}", value); }

struct RpcError {
  int code;
  std::string message;
};

std::uint64_t read_block_number(const Chain& chain, const json& parameter) {
  const std::uint64_t head = chain.execution_head_block();
  if (!parameter.is_string())
    throw RpcError{kInvalidParams, "invalid argument 0: json: cannot unmarshal non-string into Go value"};
  const std::string text = parameter.get<std::string>();
  if (text == "latest" || text == "pending") return head;
  if (text == "earliest") return 0;
  if (text == "safe") return head - 32;
  if (text == "finalized") return head - 64;
  const bool digits = text.size() > 2 && text.size() < 18 && text.starts_with("0x") &&
                      text.find_first_not_of("0123456789abcdefABCDEF", 2) == std::string::npos;
  if (!digits) throw RpcError{kInvalidParams, "invalid argument 0: hex string without 0x prefix"};
  if (text.size() > 3 && text[2] == '0')
    throw RpcError{kInvalidParams, "invalid argument 0: hex number with leading zero digits"};
  return std::stoull(text, nullptr, 16);
}

json block_of(const Chain& chain, std::uint64_t number) {
  return {{"number", hex(number)},
          {"hash", chain.hash("execution block", number)},
          {"parentHash", chain.hash("execution block", number - 1)},
          {"stateRoot", chain.hash("execution state", number)},
          {"miner", chain.hash("fee recipient", number, 20)},
          {"gasLimit", hex(45'000'000)},
          {"gasUsed", hex(static_cast<std::uint64_t>(45e6 * chain.noise("gas", number)))},
          {"baseFeePerGas", hex(1'000'000'000)},
          {"timestamp", hex(static_cast<std::uint64_t>(chain.unix_seconds()))},
          {"transactions", json::array()},
          {"uncles", json::array()},
          {"withdrawals", json::array()}};
}

json call(const Chain& chain, const std::string& method, const json& parameters) {
  const auto want = [&](std::size_t count) {
    if (parameters.size() < count) {
      throw RpcError{kInvalidParams, fmt::format("missing value for required argument {}", parameters.size())};
    }
    if (parameters.size() > count)
      throw RpcError{kInvalidParams, fmt::format("too many arguments, want at most {}", count)};
  };
  if (method == "eth_getBlockByNumber") {
    want(2);
    if (!parameters[1].is_boolean())
      throw RpcError{kInvalidParams, "invalid argument 1: json: cannot unmarshal into Go value of type bool"};
    const std::uint64_t number = read_block_number(chain, parameters[0]);
    return number > chain.execution_head_block() ? json() : block_of(chain, number);
  }
  want(0);
  if (method == "eth_blockNumber") return hex(chain.execution_head_block());
  if (method == "eth_chainId") return "0x1";
  if (method == "net_version") return "1";
  if (method == "net_listening") return true;
  if (method == "net_peerCount") return hex(chain.execution_peers());
  if (method == "eth_gasPrice") return hex(1'200'000'000);
  if (method == "web3_clientVersion") return "Geth/v1.17.6-stable-0a1b2c3d/linux-amd64/go1.25.1";
  if (method == "eth_syncing") {
    const std::uint64_t head = chain.execution_head_block();
    const std::uint64_t best = chain.block_number(chain.last_block(chain.slot()));
    if (best <= head + 8) return false;
    return {{"startingBlock", hex(head)},     {"currentBlock", hex(head)},      {"highestBlock", hex(best)},
            {"healedBytecodeBytes", "0x0"},   {"healedBytecodes", "0x0"},       {"healedTrienodeBytes", "0x0"},
            {"healedTrienodes", "0x0"},       {"healingBytecode", "0x0"},       {"healingTrienodes", "0x0"},
            {"syncedAccountBytes", "0x0"},    {"syncedAccounts", "0x0"},        {"syncedBytecodeBytes", "0x0"},
            {"syncedBytecodes", "0x0"},       {"syncedStorage", "0x0"},         {"syncedStorageBytes", "0x0"},
            {"txIndexFinishedBlocks", "0x0"}, {"txIndexRemainingBlocks", "0x1"}};
  }
  throw RpcError{kMethodNotFound, fmt::format("the method {} does not exist/is not available", method)};
}

json answer_one(const Chain& chain, const json& request) {
  const bool object = request.is_object();
  const json id = object && request.contains("id") ? request["id"] : json();
  const bool well_formed = object && request.value("jsonrpc", json()) == "2.0" && request.contains("id") &&
                           request.contains("method") && request["method"].is_string();
  if (!well_formed) return failure(id, kInvalidRequest, "invalid request");
  const json parameters = request.contains("params") ? request["params"] : json::array();
  if (!parameters.is_array() && !parameters.is_null()) return failure(id, kInvalidParams, "non-array args");
  try {
    const json result =
        call(chain, request["method"].get<std::string>(), parameters.is_null() ? json::array() : parameters);
    return {{"jsonrpc", "2.0"}, {"id", id}, {"result", result}};
  } catch (const RpcError& error) {
    return failure(id, error.code, error.message);
  }
}

}  // namespace

void add_geth_metrics(httplib::Server& server, const Chain& chain) {
  server.Get("/debug/metrics/prometheus", [&chain](const Request&, Response& response) {
    GethText text(chain);
    text.catalog(kGethFamilies);
    const auto head = static_cast<double>(chain.execution_head_block());
    text.gauge("chain_head_block", head);
    text.gauge("chain_head_header", head);
    text.gauge("chain_head_receipt", head);
    text.gauge("chain_head_safe", head - 32);
    text.gauge("chain_head_finalized", head - 64);
    const auto peers = static_cast<double>(chain.execution_peers());
    text.gauge("p2p_peers", peers);
    text.gauge("p2p_peers_inbound", std::floor(peers / 3));
    text.gauge("p2p_peers_outbound", peers - std::floor(peers / 3));
    const double filling = chain.faults().total_seconds("geth", "disk-filling");
    text.gauge("eth_db_chaindata_disk_size", std::floor(1.1e12 + chain.seconds() * 150e3 + filling * 400e6));
    text.gauge("rpc_failure", std::floor(chain.seconds() / 600));
    text.info("geth_info", {{"arch", "amd64"}, {"commit", "0a1b2c3d"}, {"os", "linux"}, {"version", "1.17.6-stable"}});
    text.info("chain_info", {{"chain_id", "1"}});
    response.set_content(text.take(), "text/plain");
  });
  server.set_error_handler([](const Request&, Response& response) {
    if (response.status == 404) response.set_content("404 page not found\n", "text/plain; charset=utf-8");
  });
}

void add_geth_rpc(httplib::Server& server, const Chain& chain) {
  server.Post("/", [&chain](const Request& request, Response& response) {
    const std::string type = request.get_header_value("Content-Type");
    if (!type.starts_with("application/json")) {
      response.status = 415;
      return response.set_content("invalid content type, only application/json is supported\n", "text/plain");
    }
    if (request.body.size() > kRpcBodyBytesMax) {
      response.status = 413;
      return response.set_content("content length too large\n", "text/plain");
    }
    const json body = json::parse(request.body, nullptr, false);
    json reply;
    if (body.is_discarded()) {
      reply = failure(nullptr, kParseError, "parse error");
    } else if (body.is_array() && body.empty()) {
      reply = failure(nullptr, kInvalidRequest, "empty batch");
    } else if (body.is_array()) {
      reply = json::array();
      for (const json& one : body) reply.push_back(answer_one(chain, one));
    } else {
      reply = answer_one(chain, body);
    }
    response.set_content(reply.dump() + "\n", "application/json");
  });
  server.Get("/", [](const Request&, Response& response) { response.status = 200; });
  const auto wrong_method = [](const Request&, Response& response) {
    response.status = 405;
    response.set_content("method not allowed\n", "text/plain");
  };
  server.Put("/", wrong_method).Delete("/", wrong_method).Patch("/", wrong_method);
}

}  // namespace simulators
