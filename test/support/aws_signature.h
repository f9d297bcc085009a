// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

namespace test_support {

// A request as a server got it.
struct SignedRequest {
  std::string method;
  std::string path;   // as on the request line, without the query
  std::string query;  // as on the request line
  std::multimap<std::string, std::string> headers;
  std::string body;
};

// What is wrong with the request's AWS Signature Version 4; "" if it is good. Written from AWS's description of the
// algorithm ("Create a signed AWS API request"), independently of what signs. `now` is YYYYMMDDTHHMMSSZ: a date more
// than five minutes away is refused, as AWS does.
std::string check_aws_signature(const SignedRequest& request, const std::string& region, const std::string& service,
                                const std::string& access_key, const std::string& secret_key,
                                const std::string& session_token, const std::string& now);

}  // namespace test_support
