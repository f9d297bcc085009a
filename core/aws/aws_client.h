// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/aws/xml.h"
#include "core/net/http_client.h"
#include "core/net/http_client_config.h"
#include "core/result.h"
#include "core/time/clock.h"

namespace core::aws {

// Whose account, and where. What is empty is looked for as AWS's own tools do.
struct AwsOptions {
  std::string region;
  std::string endpoint;                          // of the service, instead of the region's own
  std::map<std::string, std::string> endpoints;  // the same by service, for one who calls several
  std::string profile;                           // of the shared files
  std::string access_key;
  std::string secret_key;
  std::string role_arn;  // taken on with the credentials found
  std::string external_id;
  net::HttpClientConfig http;  // of calls to the service and to STS
};

// Keys that sign requests.
struct AwsKeys {
  std::string access_key;
  std::string secret_key;
  std::string session_token;
  std::optional<WallTime> expires;
};

// What a client stands on. Everything outlives it.
struct AwsContext {
  const Clock& clock;
  net::HttpClient& http;
  std::function<std::string(const char*)> environment;  // "" if absent
};

// Where keys and the region come from, in this order: the options; the environment; a web identity (AWS_ROLE_ARN with
// AWS_WEB_IDENTITY_TOKEN_FILE); the shared files; the container's endpoint; the instance's metadata service, version 2
// only. With role_arn the role is then taken on through STS. Keys that expire are asked for anew before they do.
//
// Thread safety: confined to the thread of the HTTP client's callbacks.
class AwsIdentity {
 public:
  AwsIdentity(const AwsContext& context, AwsOptions options);
  ~AwsIdentity();

  void region(std::function<void(Result<std::string>)> done);
  void keys(std::function<void(Result<AwsKeys>)> done);
  // The keys were refused: the next call looks for them anew.
  void forget_keys();

  // Internals of one look-up; defined in aws_identity.cpp.
  class State;

 private:
  std::shared_ptr<State> state_;
};

using AwsParameters = std::vector<std::pair<std::string, std::string>>;

// What a service said no with.
struct AwsRefusal {
  int status = 0;       // of HTTP
  std::string code;     // Throttling, DryRunOperation, ...; empty: it gave none
  std::string message;  // its first line: what follows may hold the request's headers

  std::string to_string() const;
  // It did nothing, and may do it later: too many calls, or something else is under way.
  bool says_later() const;
};

struct AwsAnswer {
  XmlElement root;
  std::optional<AwsRefusal> refusal;
};

// Calls of the Query protocol (EC2, STS, Auto Scaling): a signed form out, XML in.
//
// Thread safety: as AwsIdentity. Destroying it drops what is under way without calling back.
class AwsClient {
 public:
  AwsClient(const AwsContext& context, AwsOptions options, std::string service);

  // An error: there is no complete answer.
  void ask(AwsParameters parameters, std::function<void(Result<AwsAnswer>)> done);
  // The root element of the answer. The error of a refusal is "CODE: MESSAGE".
  void call(AwsParameters parameters, std::function<void(Result<XmlElement>)> done);
  AwsIdentity& identity() { return identity_; }

 private:
  void send(const std::string& region, const AwsKeys& keys, const AwsParameters& parameters,
            std::function<void(Result<AwsAnswer>)> done);

  AwsContext context_;
  AwsOptions options_;
  std::string service_;
  AwsIdentity identity_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

// A form as the Query protocol has it, and the URL of a region's service.
std::string encode_form(const AwsParameters& parameters);
std::string service_url(const std::string& service, const std::string& region);
Result<AwsAnswer> read_reply(const Result<net::Response>& response);
// The XML of a 200 answer; else what it says is wrong.
Result<XmlElement> read_answer(const Result<net::Response>& response);

}  // namespace core::aws
