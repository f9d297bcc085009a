// SPDX-License-Identifier: Apache-2.0
// Where keys and the region come from.
#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "core/aws/aws_client.h"
#include "core/aws/shared_files.h"
#include "core/net/url.h"
#include "core/time/duration.h"

namespace core::aws {
namespace {

using net::Request;
using net::Response;

using KeysDone = std::function<void(Result<AwsKeys>)>;
using TextDone = std::function<void(Result<std::string>)>;

// The metadata service is a hop away, or not there at all.
constexpr Duration kMetadataTimeout = std::chrono::seconds(2);
constexpr Duration kStsTimeout = std::chrono::seconds(30);
constexpr std::uint64_t kMetadataBytesMax = 64 << 10;
constexpr const char* kMetadataUrl = "http://169.254.169.254";
constexpr const char* kContainerUrl = "http://169.254.170.2";
// The longest that a token may live; it is asked for anew for every look-up all the same.
constexpr const char* kTokenSeconds = "21600";
// Keys are renewed that long before they expire.
constexpr Duration kRenewBefore = std::chrono::minutes(5);

// The keys of a JSON document, as the instance's and the container's endpoint answer.
Result<AwsKeys> read_json_keys(const std::string& body) {
  const auto json = nlohmann::json::parse(body, nullptr, false);
  const auto text = [&](const char* key) {
    return json.is_object() && json.contains(key) && json[key].is_string() ? json[key].get<std::string>()
                                                                           : std::string();
  };
  AwsKeys keys{text("AccessKeyId"), text("SecretAccessKey"), text("Token"), std::nullopt};
  if (keys.access_key.empty() || keys.secret_key.empty()) return fail(Errc::kUnavailable, "no keys in the answer");
  if (const auto expires = parse_rfc3339(text("Expiration"))) keys.expires = *expires;
  return keys;
}

Result<AwsKeys> read_sts_keys(const Result<Response>& response, std::string_view result) {
  const auto answer = read_answer(response);
  if (!answer) return fail(answer.error().with_context("STS"));
  const XmlElement* found = answer->find(result);
  if (found == nullptr) return fail(Errc::kUnavailable, "STS: no keys in the answer");
  AwsKeys keys{std::string(found->text_of("AccessKeyId")), std::string(found->text_of("SecretAccessKey")),
               std::string(found->text_of("SessionToken")), std::nullopt};
  if (const auto expires = parse_rfc3339(std::string(found->text_of("Expiration")))) keys.expires = *expires;
  return keys;
}

Result<std::string> body_of(const Result<Response>& response, std::string_view what) {
  if (!response) return fail(response.error());
  if (response->status != 200) {
    return fail(Errc::kUnavailable, "{}: server returned HTTP status {} {}", what, response->status, response->reason);
  }
  return response->body;
}

}  // namespace

// Holds itself through what is under way, and lets go of it when the identity goes.
class AwsIdentity::State : public std::enable_shared_from_this<State> {
 public:
  State(const AwsContext& context, AwsOptions options) : context_(context), options_(std::move(options)) {}

  void region(const TextDone& done) {
    if (!region_.empty()) return done(region_);
    region_ = options_.region;
    if (region_.empty()) region_ = context_.environment("AWS_REGION");
    if (region_.empty()) region_ = context_.environment("AWS_DEFAULT_REGION");
    if (region_.empty()) {
      if (const auto profile = read_shared_files(profile_name(), context_.environment)) {
        if (const auto found = profile->find("region"); found != profile->end()) region_ = found->second;
      }
    }
    if (!region_.empty()) return done(region_);
    metadata("placement/region", [self = shared_from_this(), done](Result<std::string> text) {
      if (!text) {
        return done(fail(Errc::kFailed, "no AWS region is configured: {}", text.error().message));
      }
      self->region_ = *text;
      done(self->region_);
    });
  }

  void keys(const KeysDone& done) {
    if (keys_ && (!keys_->expires || context_.clock.wall_now() < *keys_->expires - kRenewBefore)) return done(*keys_);
    own_keys([self = shared_from_this(), done](Result<AwsKeys> found) {
      if (!found) return done(fail(found.error()));
      if (!self->options_.role_arn.empty()) return self->take_role(*found, done);
      self->keys_ = *found;
      done(*found);
    });
  }

  void forget_keys() { keys_.reset(); }
  void close() { closed_ = true; }

 private:
  std::string profile_name() const {
    if (!options_.profile.empty()) return options_.profile;
    const std::string named = context_.environment("AWS_PROFILE");
    return named.empty() ? "default" : named;
  }

  void own_keys(const KeysDone& done) {
    if (!options_.access_key.empty()) return done(AwsKeys{options_.access_key, options_.secret_key, {}, {}});
    // A profile that is asked for by name goes before the environment.
    if (options_.profile.empty()) {
      const std::string access_key = context_.environment("AWS_ACCESS_KEY_ID");
      const std::string secret_key = context_.environment("AWS_SECRET_ACCESS_KEY");
      if (!access_key.empty() && !secret_key.empty()) {
        return done(AwsKeys{access_key, secret_key, context_.environment("AWS_SESSION_TOKEN"), {}});
      }
      if (!context_.environment("AWS_WEB_IDENTITY_TOKEN_FILE").empty()) return web_identity_keys(done);
    }
    const auto profile = read_shared_files(profile_name(), context_.environment);
    if (!profile) return done(fail(profile.error()));
    const auto value = [&](const char* key) { return profile->contains(key) ? profile->at(key) : std::string(); };
    if (const std::string access_key = value("aws_access_key_id"); !access_key.empty()) {
      return done(AwsKeys{access_key, value("aws_secret_access_key"), value("aws_session_token"), {}});
    }
    if (!options_.profile.empty()) {
      return done(fail(Errc::kFailed, "AWS profile {} has no keys in the shared files", options_.profile));
    }
    if (!context_.environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").empty() ||
        !context_.environment("AWS_CONTAINER_CREDENTIALS_FULL_URI").empty()) {
      return container_keys(done);
    }
    instance_keys(done);
  }

  void send(Request request, std::function<void(Result<Response>)> done) {
    context_.http.send(std::move(request), [weak = weak_from_this(), done = std::move(done)](Result<Response> answer) {
      const auto self = weak.lock();
      if (self && !self->closed_) done(std::move(answer));
    });
  }

  // GET /latest/meta-data/PATH of the instance, with a token of its own.
  void metadata(const std::string& path, const TextDone& done) {
    if (context_.environment("AWS_EC2_METADATA_DISABLED") == "true") {
      return done(fail(Errc::kFailed, "the instance's metadata service is disabled by AWS_EC2_METADATA_DISABLED"));
    }
    std::string url = context_.environment("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    if (url.empty()) url = kMetadataUrl;
    while (url.ends_with('/')) url.pop_back();
    Request ask;
    ask.method = "PUT";
    ask.repeatable = true;  // one token more
    ask.url = url + "/latest/api/token";
    ask.timeout = kMetadataTimeout;
    ask.body_limit = kMetadataBytesMax;
    ask.headers.emplace_back("X-aws-ec2-metadata-token-ttl-seconds", kTokenSeconds);
    send(std::move(ask), [self = shared_from_this(), url, path, done](Result<Response> answer) {
      const auto token = body_of(answer, url + "/latest/api/token");
      if (!token) return done(fail(token.error()));
      Request get;
      get.url = url + "/latest/meta-data/" + path;
      get.timeout = kMetadataTimeout;
      get.body_limit = kMetadataBytesMax;
      get.headers.emplace_back("X-aws-ec2-metadata-token", *token);
      const std::string shown = get.url;
      self->send(std::move(get), [shown, done](Result<Response> got) { done(body_of(got, shown)); });
    });
  }

  void instance_keys(const KeysDone& done) {
    metadata("iam/security-credentials/", [self = shared_from_this(), done](Result<std::string> roles) {
      if (!roles) return done(fail(roles.error().with_context("no AWS credentials were found; the instance's role")));
      const std::string role = roles->substr(0, roles->find('\n'));
      self->metadata("iam/security-credentials/" + net::escape_path(role), [done](Result<std::string> body) {
        if (!body) return done(fail(body.error()));
        done(read_json_keys(*body));
      });
    });
  }

  void container_keys(const KeysDone& done) {
    Request get;
    get.url = context_.environment("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    const std::string relative = context_.environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    if (!relative.empty()) get.url = kContainerUrl + relative;
    get.timeout = kMetadataTimeout;
    get.body_limit = kMetadataBytesMax;
    std::string token = context_.environment("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    if (const std::string file = context_.environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); !file.empty()) {
      auto read = read_small_file(file);
      if (!read) return done(fail(read.error()));
      token = std::move(*read);
    }
    while (!token.empty() && (token.back() == '\n' || token.back() == '\r')) token.pop_back();
    if (!token.empty()) get.headers.emplace_back("Authorization", token);
    const std::string shown = get.url;
    send(std::move(get), [shown, done](Result<Response> answer) {
      const auto body = body_of(answer, shown);
      if (!body) return done(fail(body.error()));
      done(read_json_keys(*body));
    });
  }

  // A POST to STS, which needs a region, for its own endpoint is the one that never fails with the others.
  void ask_sts(AwsParameters parameters, std::optional<AwsKeys> signed_with,
               std::function<void(Result<Response>)> done) {
    parameters.emplace_back("Version", "2011-06-15");
    region([self = shared_from_this(), parameters, signed_with, done](Result<std::string> region) {
      if (!region) return done(fail(region.error()));
      Request request;
      request.method = "POST";
      request.url = self->context_.environment("AWS_ENDPOINT_URL_STS");
      if (request.url.empty()) request.url = service_url("sts", *region);
      request.body = encode_form(parameters);
      request.timeout = kStsTimeout;
      if (const auto applied = self->options_.http.apply(request); !applied) return done(fail(applied.error()));
      request.follow_redirects = false;
      request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
      if (signed_with) {
        request.aws_signature = {.region = *region,
                                 .service = "sts",
                                 .access_key = signed_with->access_key,
                                 .secret_key = signed_with->secret_key,
                                 .session_token = signed_with->session_token};
      }
      self->send(std::move(request), done);
    });
  }

  std::string session_name() const {
    const std::string named = context_.environment("AWS_ROLE_SESSION_NAME");
    return named.empty() ? "watchkeeper" : named;
  }

  void web_identity_keys(const KeysDone& done) {
    auto token = read_small_file(context_.environment("AWS_WEB_IDENTITY_TOKEN_FILE"));
    if (!token) return done(fail(token.error()));
    while (!token->empty() && (token->back() == '\n' || token->back() == '\r')) token->pop_back();
    ask_sts({{"Action", "AssumeRoleWithWebIdentity"},
             {"RoleArn", context_.environment("AWS_ROLE_ARN")},
             {"RoleSessionName", session_name()},
             {"WebIdentityToken", *token}},
            std::nullopt, [done](Result<Response> answer) {
              done(read_sts_keys(answer, "AssumeRoleWithWebIdentityResult/Credentials"));
            });
  }

  void take_role(const AwsKeys& own, const KeysDone& done) {
    AwsParameters parameters{
        {"Action", "AssumeRole"}, {"RoleArn", options_.role_arn}, {"RoleSessionName", session_name()}};
    if (!options_.external_id.empty()) parameters.emplace_back("ExternalId", options_.external_id);
    ask_sts(std::move(parameters), own, [self = shared_from_this(), done](Result<Response> answer) {
      auto keys = read_sts_keys(answer, "AssumeRoleResult/Credentials");
      if (keys) self->keys_ = *keys;
      done(std::move(keys));
    });
  }

  const AwsContext context_;
  const AwsOptions options_;
  bool closed_ = false;
  std::string region_;
  std::optional<AwsKeys> keys_;
};

AwsIdentity::AwsIdentity(const AwsContext& context, AwsOptions options)
    : state_(std::make_shared<State>(context, std::move(options))) {}

AwsIdentity::~AwsIdentity() { state_->close(); }

void AwsIdentity::region(std::function<void(Result<std::string>)> done) { state_->region(done); }

void AwsIdentity::keys(std::function<void(Result<AwsKeys>)> done) { state_->keys(done); }

void AwsIdentity::forget_keys() { state_->forget_keys(); }

}  // namespace core::aws
