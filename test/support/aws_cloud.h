// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <limits>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/time/clock.h"
#include "test/support/aws_signature.h"

namespace test_support {

// What AWS answers with; the body is XML.
struct AwsReply {
  int status = 200;
  std::string body;
};

// An account's EC2 and Auto Scaling (the Query protocol) as far as the agent asks them, at least as strict as AWS: what
// is not signed rightly, has another version, an unknown action or an unknown parameter is refused and noted, and what
// was asked for comes to be some time later. It can also say OK and do nothing. No sockets: whoever owns it serves it.
//
// Thread safety: any thread; the public members are guarded by `mutex`.
class AwsCloud {
 public:
  struct Instance {
    std::string state = "running";
    std::map<std::string, std::string> tags = {};
    std::string group = {};
    std::string lifecycle = "InService";
    std::string health = "HEALTHY";
    std::string subnet = "subnet-1";
    std::string image = "ami-1";
    std::string address = "10.0.0.1";
    std::string next = {};  // the state it comes to
    double due = 0;         // when it does
    double since = 0;       // when it came to the state it is in
    // When its group ends it, for it is not healthy.
    double doomed = std::numeric_limits<double>::infinity();
  };
  // What a launch template makes.
  struct Template {
    std::string image = "ami-1";
    std::map<std::string, std::string> tags = {};
  };
  struct Group {
    int desired = 1;
    int smallest = 0;
    std::string template_image = {};  // of its launch template; empty: it has none
    std::map<std::string, std::string> tags = {};
    std::set<std::string> suspended = {};
  };
  struct Snapshot {
    std::string volume;
    std::string tag;
    double due = 0;  // when it is over
    bool breaks = false;
  };

  // `clock` is what the dates of signatures are held against. `now` is the time by which things come to be, each
  // `delay` after it was asked for; without it time is the number of questions so far, and a test needs no clock.
  explicit AwsCloud(const core::Clock& clock, std::function<double()> now = {}, double delay = 3);

  // `service` is ec2 or autoscaling.
  AwsReply answer(const std::string& service, const SignedRequest& request);
  // Lets come to be what is due; each answer begins with it.
  void settle();
  int calls(const std::string& action);

  static constexpr const char* kRegion = "eu-west-1";
  static constexpr const char* kAccessKey = "AKIDEXAMPLE";
  static constexpr const char* kSecretKey = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
  static constexpr const char* kSessionToken = "session/token+1==";

  std::mutex mutex;
  std::map<std::string, Instance> instances;
  std::map<std::string, Group> groups;
  std::map<std::string, Template> templates;
  std::map<std::string, Snapshot> snapshots;
  std::map<std::string, std::string> launched;  // by client token
  std::string network = "10.0.0.";              // of the addresses of what is launched
  std::set<std::string> lies;                   // says OK and does nothing
  std::set<std::string> loses;                  // does it, and its answer is an internal error
  std::set<std::string> is_silent;              // does nothing, and names no instance in its OK
  std::map<std::string, std::string> denies;    // with this code
  std::map<std::string, int> throttles;         // so many times
  bool signature_mismatch = false;
  bool snapshots_break = false;
  std::vector<std::string> done;        // actions that were not only dry
  std::vector<std::string> dry;         // that were
  std::vector<std::string> violations;  // what no client of AWS may send

 private:
  struct Call {
    std::string service;
    std::string action;
    std::map<std::string, std::string> parameters;

    std::string get(const std::string& name) const;
    bool is_dry() const { return get("DryRun") == "true"; }
  };
  using Answering = AwsReply (AwsCloud::*)(const Call&);
  struct Action {
    std::vector<std::string_view> parameters;  // # stands for a number
    Answering answering;
  };
  static const std::map<std::string, Action>& ec2_actions();
  static const std::map<std::string, Action>& auto_scaling_actions();

  // Why a request is not carried out; a status of 0 if it is.
  AwsReply check_signature(const std::string& service, const SignedRequest& request);
  AwsReply check_call(const Call& call, const Action* action);
  AwsReply carry_out(const Call& call, const Action& action);

  static AwsReply refuse(const Call& call, int status, const std::string& code, const std::string& message);
  AwsReply violate(const Call& call, const std::string& code, const std::string& message);
  static AwsReply ok(const Call& call, const std::string& body);
  AwsReply only_dry(const Call& call);
  bool is_effective(const Call& call) const;

  // REQUIRES: `mutex` is held, for all of these.
  void settle_locked();
  double now() const;
  void begin(Instance& instance, const std::string& on_the_way, const std::string& end) const;
  std::string launch(Instance fresh);
  void fill(const std::string& group);

  AwsReply describe_availability_zones(const Call& call);
  AwsReply describe_instances(const Call& call);
  AwsReply describe_launch_template_versions(const Call& call);
  AwsReply describe_snapshots(const Call& call);
  AwsReply change_state(const Call& call);
  AwsReply run_instances(const Call& call);
  AwsReply create_snapshot(const Call& call);
  AwsReply describe_members(const Call& call);
  AwsReply describe_groups(const Call& call);
  AwsReply set_instance_health(const Call& call);
  AwsReply terminate_member(const Call& call);
  AwsReply complete_lifecycle_action(const Call& call);

  const core::Clock& clock_;
  std::function<double()> now_;
  double delay_;
  double questions_ = 0;
  std::map<std::string, std::map<std::string, std::string>> launches_;  // what each client token asked for
};

// An element with what is in it, and text as XML has it.
std::string xml_element(const std::string& name, const std::string& content);
std::string xml_text(const std::string& text);

}  // namespace test_support
