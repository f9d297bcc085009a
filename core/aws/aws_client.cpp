// SPDX-License-Identifier: Apache-2.0
#include "core/aws/aws_client.h"

#include <algorithm>

#include "core/net/url.h"

namespace core::aws {
namespace {

constexpr std::uint64_t kAnswerBytesMax = 64 << 20;
constexpr Duration kCallTimeout = std::chrono::seconds(60);
constexpr std::size_t kMessageBytesMax = 500;

// EC2's and Auto Scaling's words for it.
constexpr std::string_view kLaterCodes[] = {"RequestLimitExceeded", "Throttling",         "ThrottlingException",
                                            "RequestThrottled",     "ResourceContention", "ScalingActivityInProgress"};

// Asked every few seconds by who waits for something, over one connection then.
bool only_asks(const AwsParameters& parameters) {
  return std::ranges::any_of(parameters, [](const auto& each) {
    return each.first == "Action" && (each.second.starts_with("Describe") || each.second.starts_with("Get"));
  });
}

}  // namespace

std::string encode_form(const AwsParameters& parameters) {
  std::string form;
  for (const auto& [name, value] : parameters) {
    form += (form.empty() ? "" : "&") + net::escape_query(name) + "=" + net::escape_query(value);
  }
  return form;
}

std::string service_url(const std::string& service, const std::string& region) {
  return fmt::format("https://{}.{}.amazonaws.com{}/", service, region, region.starts_with("cn-") ? ".cn" : "");
}

std::string AwsRefusal::to_string() const { return code.empty() ? message : fmt::format("{}: {}", code, message); }

bool AwsRefusal::says_later() const { return std::ranges::find(kLaterCodes, code) != std::end(kLaterCodes); }

Result<AwsAnswer> read_reply(const Result<net::Response>& response) {
  if (!response) return fail(response.error());
  auto root = parse_xml(response->body);
  if (response->status == 200) {
    if (!root) return fail(root.error());
    return AwsAnswer{std::move(*root), std::nullopt};
  }
  AwsRefusal refusal{response->status, "", ""};
  if (root) {
    // EC2 answers Response/Errors/Error, the other services ErrorResponse/Error.
    const XmlElement* error = root->find("Errors/Error");
    if (error == nullptr) error = root->find("Error");
    if (error != nullptr) {
      refusal.code = error->text_of("Code");
      const std::string_view message = error->text_of("Message");
      refusal.message = message.substr(0, std::min(message.find('\n'), kMessageBytesMax));
      return AwsAnswer{{}, std::move(refusal)};
    }
  }
  refusal.message = fmt::format("server returned HTTP status {} {}", response->status, response->reason);
  return AwsAnswer{{}, std::move(refusal)};
}

Result<XmlElement> read_answer(const Result<net::Response>& response) {
  Result<AwsAnswer> reply = read_reply(response);
  if (!reply) return fail(reply.error());
  if (reply->refusal) return fail(Errc::kUnavailable, "{}", reply->refusal->to_string());
  return std::move(reply->root);
}

AwsClient::AwsClient(const AwsContext& context, AwsOptions options, std::string service)
    : context_(context), options_(std::move(options)), service_(std::move(service)), identity_(context_, options_) {}

void AwsClient::call(AwsParameters parameters, std::function<void(Result<XmlElement>)> done) {
  ask(std::move(parameters), [done = std::move(done)](Result<AwsAnswer> answer) {
    if (!answer) return done(fail(answer.error()));
    if (answer->refusal) return done(fail(Errc::kUnavailable, "{}", answer->refusal->to_string()));
    done(std::move(answer->root));
  });
}

void AwsClient::ask(AwsParameters parameters, std::function<void(Result<AwsAnswer>)> done) {
  const std::weak_ptr<int> alive = alive_;
  identity_.region(
      [this, alive, parameters = std::move(parameters), done = std::move(done)](Result<std::string> region) {
        if (alive.expired()) return;
        if (!region) return done(fail(region.error()));
        identity_.keys([this, alive, parameters, done, region = *region](Result<AwsKeys> keys) {
          if (alive.expired()) return;
          if (!keys) return done(fail(keys.error()));
          send(region, *keys, parameters, done);
        });
      });
}

void AwsClient::send(const std::string& region, const AwsKeys& keys, const AwsParameters& parameters,
                     std::function<void(Result<AwsAnswer>)> done) {
  net::Request request;
  request.method = "POST";
  request.repeatable = only_asks(parameters);
  request.url = options_.endpoint.empty() ? service_url(service_, region) : options_.endpoint;
  request.body = encode_form(parameters);
  request.timeout = kCallTimeout;
  request.body_limit = kAnswerBytesMax;
  if (const auto applied = options_.http.apply(request); !applied) return done(fail(applied.error()));
  request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
  request.follow_redirects = false;  // what was signed was signed for this host
  request.aws_signature = {.region = region,
                           .service = service_,
                           .access_key = keys.access_key,
                           .secret_key = keys.secret_key,
                           .session_token = keys.session_token};
  context_.http.send(std::move(request), [this, alive = std::weak_ptr(alive_),
                                          done = std::move(done)](Result<net::Response> response) {
    if (alive.expired()) return;
    Result<AwsAnswer> answer = read_reply(response);
    // Keys that were rotated or taken away are looked for anew.
    if (answer && answer->refusal && answer->refusal->status >= 400 && answer->refusal->status <= 403) {
      identity_.forget_keys();
    }
    done(std::move(answer));
  });
}

}  // namespace core::aws
