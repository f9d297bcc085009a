// SPDX-License-Identifier: Apache-2.0
// What EC2 and Auto Scaling share: who is let in, how they refuse, and how time goes by.
#include "test/support/aws_cloud.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "core/time/duration.h"

namespace test_support {
namespace {

constexpr const char* kEc2 = "ec2";
constexpr const char* kEc2Version = "2016-11-15";
constexpr const char* kAutoScalingVersion = "2011-01-01";
constexpr const char* kRequestId = "00000000-0000-4000-8000-000000000000";

std::string decoded(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      result += static_cast<char>(std::strtol(std::string(text.substr(i + 1, 2)).c_str(), nullptr, 16));
      i += 2;
    } else {
      result += text[i] == '+' ? ' ' : text[i];
    }
  }
  return result;
}

std::map<std::string, std::string> form_of(std::string_view body) {
  std::map<std::string, std::string> form;
  while (!body.empty()) {
    const std::string_view pair = body.substr(0, body.find('&'));
    body.remove_prefix(std::min(body.size(), pair.size() + 1));
    const std::size_t equals = std::min(pair.find('='), pair.size());
    form[decoded(pair.substr(0, equals))] = decoded(pair.substr(std::min(pair.size(), equals + 1)));
  }
  return form;
}

// 20260102T030405Z, as AWS writes times.
std::string aws_time(const core::Clock& clock) {
  std::string text;
  for (const char c : core::format_rfc3339(clock.wall_now()).substr(0, 19)) {
    if (c != '-' && c != ':') text += c;
  }
  return text + "Z";
}

// Whether a name is of a pattern in which # stands for a number.
bool is_of(std::string_view name, std::string_view pattern) {
  const std::size_t mark = pattern.find('#');
  if (mark == std::string_view::npos) return name == pattern;
  if (name.substr(0, mark) != pattern.substr(0, mark)) return false;
  name.remove_prefix(mark);
  pattern.remove_prefix(mark + 1);
  const std::size_t digits = std::min(name.find_first_not_of("0123456789"), name.size());
  return digits > 0 && is_of(name.substr(digits), pattern);
}

}  // namespace

std::string xml_element(const std::string& name, const std::string& content) {
  return "<" + name + ">" + content + "</" + name + ">";
}

std::string xml_text(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '<') {
      result += "&lt;";
    } else if (c == '&') {
      result += "&amp;";
    } else {
      result += c;
    }
  }
  return result;
}

AwsCloud::AwsCloud(const core::Clock& clock, std::function<double()> now, double delay)
    : clock_(clock), now_(std::move(now)), delay_(delay) {}

std::string AwsCloud::Call::get(const std::string& name) const {
  const auto found = parameters.find(name);
  return found == parameters.end() ? "" : found->second;
}

int AwsCloud::calls(const std::string& action) {
  const std::lock_guard lock(mutex);
  return static_cast<int>(std::ranges::count(done, action));
}

// --- Answers

AwsReply AwsCloud::refuse(const Call& call, int status, const std::string& code, const std::string& message) {
  const std::string said = xml_element("Code", code) + xml_element("Message", xml_text(message));
  if (call.service == kEc2) {
    return {status, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors>" + xml_element("Error", said) +
                        "</Errors>" + xml_element("RequestID", kRequestId) + "</Response>"};
  }
  const char* const whose = status >= 500 ? "Receiver" : "Sender";
  return {status,
          fmt::format("<ErrorResponse xmlns=\"http://autoscaling.amazonaws.com/doc/{}/\">", kAutoScalingVersion) +
              xml_element("Error", xml_element("Type", whose) + said) + xml_element("RequestId", kRequestId) +
              "</ErrorResponse>"};
}

AwsReply AwsCloud::violate(const Call& call, const std::string& code, const std::string& message) {
  violations.push_back(call.action + ": " + message);
  return refuse(call, 400, code, message);
}

AwsReply AwsCloud::ok(const Call& call, const std::string& body) {
  if (call.service == kEc2) {
    return {200, fmt::format("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                             "<{0}Response xmlns=\"http://ec2.amazonaws.com/doc/{1}/\">{2}{3}</{0}Response>",
                             call.action, kEc2Version, xml_element("requestId", kRequestId), body)};
  }
  return {200, fmt::format("<{0}Response xmlns=\"http://autoscaling.amazonaws.com/doc/{1}/\">{2}{3}</{0}Response>",
                           call.action, kAutoScalingVersion, body,
                           xml_element("ResponseMetadata", xml_element("RequestId", kRequestId)))};
}

AwsReply AwsCloud::only_dry(const Call& call) {
  dry.push_back(call.action);
  return refuse(call, 412, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.");
}

bool AwsCloud::is_effective(const Call& call) const {
  return !lies.contains(call.action) && !is_silent.contains(call.action);
}

// --- Who is let in

AwsReply AwsCloud::check_signature(const std::string& service, const SignedRequest& request) {
  const Call call{service, "", {}};
  if (signature_mismatch) {
    // As AWS does, with the headers that were sent.
    return refuse(call, 403, "SignatureDoesNotMatch",
                  std::string("The request signature we calculated does not match.\n\nThe Canonical String for this "
                              "request should have been\nx-amz-security-token:") +
                      kSessionToken);
  }
  const std::string wrong =
      check_aws_signature(request, kRegion, service, kAccessKey, kSecretKey, kSessionToken, aws_time(clock_));
  if (wrong.empty()) return {0, ""};
  violations.push_back(wrong);
  const bool is_unsigned = wrong.starts_with("no AWS4");
  const bool is_late = wrong.starts_with("the date");
  if (service == kEc2) {
    if (is_unsigned) {
      return refuse(call, 400, "MissingParameter", "The request must contain the parameter AWSAccessKeyId");
    }
    if (is_late) return refuse(call, 400, "RequestExpired", "Request has expired.");
    return refuse(call, 401, "AuthFailure", "AWS was not able to validate the provided access credentials");
  }
  if (is_unsigned) return refuse(call, 403, "MissingAuthenticationToken", "Request is missing Authentication Token");
  if (is_late) return refuse(call, 403, "SignatureDoesNotMatch", "Signature expired");
  if (wrong.starts_with("another")) {
    return refuse(call, 403, "InvalidClientTokenId", "The security token included in the request is invalid.");
  }
  return refuse(call, 403, "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided.");
}

AwsReply AwsCloud::check_call(const Call& call, const Action* action) {
  const std::string version = call.get("Version");
  if (version != (call.service == kEc2 ? kEc2Version : kAutoScalingVersion)) {
    return violate(call, call.service == kEc2 ? "NoSuchVersion" : "InvalidAction",
                   "The requested version (" + version + ") of the service does not exist");
  }
  if (action == nullptr) {
    return violate(call, "InvalidAction", "The action " + call.action + " is not valid for this web service.");
  }
  for (const auto& [name, value] : call.parameters) {
    if (name == "Action" || name == "Version" || (name == "DryRun" && call.service == kEc2)) continue;
    const bool known =
        std::ranges::any_of(action->parameters, [&](std::string_view each) { return is_of(name, each); });
    if (!known) return violate(call, "UnknownParameter", "The parameter " + name + " is not recognized");
  }
  if (int& left = throttles[call.action]; left > 0) {
    --left;
    return call.service == kEc2 ? refuse(call, 503, "RequestLimitExceeded", "Request limit exceeded.")
                                : refuse(call, 400, "Throttling", "Rate exceeded");
  }
  if (denies.contains(call.action)) return refuse(call, 403, denies[call.action], "you are not allowed to");
  return {0, ""};
}

AwsReply AwsCloud::carry_out(const Call& call, const Action& action) {
  if (!call.is_dry()) done.push_back(call.action);
  AwsReply reply = (this->*action.answering)(call);
  if (reply.status == 200 && loses.contains(call.action)) {
    return refuse(call, 500, "InternalError", "An internal error has occurred");
  }
  return reply;
}

AwsReply AwsCloud::answer(const std::string& service, const SignedRequest& request) {
  const std::lock_guard lock(mutex);
  if (AwsReply refusal = check_signature(service, request); refusal.status != 0) return refusal;
  Call call{service, "", form_of(request.body)};
  call.action = call.get("Action");
  const auto& actions = service == kEc2 ? ec2_actions() : auto_scaling_actions();
  const auto found = actions.find(call.action);
  const Action* const action = found == actions.end() ? nullptr : &found->second;
  if (AwsReply refusal = check_call(call, action); refusal.status != 0) return refusal;
  if (call.action.starts_with("Describe")) ++questions_;
  settle_locked();
  return carry_out(call, *action);
}

// --- Time

void AwsCloud::settle() {
  const std::lock_guard lock(mutex);
  settle_locked();
}

double AwsCloud::now() const { return now_ ? now_() : questions_; }

void AwsCloud::begin(Instance& instance, const std::string& on_the_way, const std::string& end) const {
  instance.state = on_the_way;
  instance.next = end;
  instance.due = now() + delay_;
}

std::string AwsCloud::launch(Instance fresh) {
  begin(fresh, "pending", "running");
  fresh.since = now();
  fresh.address = network + std::to_string(instances.size() + 1);
  std::string id = fmt::format("i-{:017x}", 0xf00 + instances.size());
  instances.emplace(id, std::move(fresh));
  return id;
}

void AwsCloud::fill(const std::string& name) {
  const Group& group = groups[name];
  if (group.suspended.contains("Launch")) return;
  auto members = std::ranges::count_if(instances, [&](const auto& each) {
    return each.second.group == name && !each.second.lifecycle.starts_with("Terminat");
  });
  for (; members < group.desired; ++members) {
    Instance fresh;
    fresh.group = name;
    fresh.lifecycle = "Pending";
    fresh.tags = group.tags;
    if (group.template_image.starts_with("ami-")) fresh.image = group.template_image;
    launch(std::move(fresh));
  }
}

void AwsCloud::settle_locked() {
  std::set<std::string> left;
  for (auto& [id, each] : instances) {
    if (now() >= each.doomed && each.lifecycle == "InService" && !each.group.empty()) {
      each.lifecycle = "Terminating";
      begin(each, "shutting-down", "terminated");
    }
    if (each.next.empty() || now() < each.due) continue;
    each.state = std::exchange(each.next, "");
    each.since = now();
    if (each.state == "running" && each.lifecycle == "Pending") each.lifecycle = "InService";
    if (each.state == "terminated" && !each.group.empty()) left.insert(std::exchange(each.group, ""));
  }
  for (const std::string& name : left) fill(name);
}

}  // namespace test_support
