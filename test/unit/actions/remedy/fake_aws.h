// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "core/time/clock.h"
#include "test/support/aws_cloud.h"
#include "test/unit/core/net/client_fixture.h"

namespace actions::remedy {

// EC2 and Auto Scaling on ports of their own. Time is the number of questions, so that no test waits for a clock.
//
// Thread safety: as AwsCloud.
class FakeAws : public test_support::AwsCloud {
 public:
  FakeAws() : AwsCloud(clock()) {
    serve(ec2_, "ec2");
    serve(autoscaling_, "autoscaling");
  }

  std::string ec2_url() const { return ec2_.url("/"); }
  std::string autoscaling_url() const { return autoscaling_.url("/"); }

  static std::string environment(const char* name) {
    const std::map<std::string, std::string> variables{{"AWS_ACCESS_KEY_ID", kAccessKey},
                                                       {"AWS_SECRET_ACCESS_KEY", kSecretKey},
                                                       {"AWS_SESSION_TOKEN", kSessionToken},
                                                       {"AWS_REGION", kRegion}};
    const auto found = variables.find(name);
    return found == variables.end() ? "" : found->second;
  }

 private:
  static const core::Clock& clock() {
    static const core::SystemClock clock;
    return clock;
  }
  void serve(core::net::LocalServer<httplib::Server>& server, const std::string& service) {
    server->Post("/", [this, service](const httplib::Request& request, httplib::Response& response) {
      test_support::SignedRequest seen{"POST", request.path, "", {}, request.body};
      seen.headers.insert(request.headers.begin(), request.headers.end());
      const test_support::AwsReply reply = answer(service, seen);
      response.status = reply.status;
      response.set_content(reply.body, "text/xml");
    });
    server.start();
  }

  core::net::LocalServer<httplib::Server> ec2_;
  core::net::LocalServer<httplib::Server> autoscaling_;
};

}  // namespace actions::remedy
