// SPDX-License-Identifier: Apache-2.0
// Where a repository's password comes from. A Vault cannot be had in a test: a strict stand-in answers as its KV
// stores.
#include "actions/backup/repository_password.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <stdlib.h>

#include <thread>

#include "actions/backup/backup_config.h"
#include "actions/backup/backup_set.h"
#include "temporary_folder.h"
#include "untouched_seams.h"

namespace actions::backup {
namespace {

using core::Errc;
using ::testing::HasSubstr;

class KeyValueStores {
 public:
  KeyValueStores() {
    server_.Get("/v1/secret/data/restic", answer(R"({"data":{"data":{"password":"correct horse","port":7},)"
                                                 R"("metadata":{"version":3}}})"));
    server_.Get("/v1/kv/restic", answer(R"({"data":{"password":"battery staple"}})"));
    server_.Get("/v1/secret/data/odd", answer(R"({"data":{"data":["password"],"metadata":{}}})"));
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  ~KeyValueStores() {
    server_.stop();
    thread_.join();
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

 private:
  static httplib::Server::Handler answer(std::string body) {
    return [body = std::move(body)](const httplib::Request& request, httplib::Response& response) {
      if (request.get_header_value("X-Vault-Token") != "s.reader") {
        response.status = 403;
        response.set_content(R"({"errors":["permission denied"]})", "application/json");
        return;
      }
      response.set_content(body, "application/json");
    };
  }

  httplib::Server server_;
  int port_ = 0;
  std::thread thread_;
};

class RepositoryPasswordTest : public ::testing::Test {
 protected:
  RepositoryPasswordTest() {
    config_.name = "keys";
    config_.source.paths = {folder_.write("source/file", "x")};
    config_.repository = folder_.at("repository");
    config_.password_vault.url = vault_.url() + "/";
    config_.password_vault.path = "secret/data/restic";
    config_.password_vault.token_file.path = folder_.write("token", "s.reader\n");
  }
  std::string password() {
    const auto found = find_password(config_, clock_, {});
    return found ? found->text : found.error().message;
  }

  TemporaryFolder folder_;
  KeyValueStores vault_;
  core::SystemClock clock_;
  BackupConfig config_;
};

TEST_F(RepositoryPasswordTest, AVaultHasIt) {
  EXPECT_EQ(password(), "correct horse");
  config_.password_vault.path = "kv/restic";
  EXPECT_EQ(password(), "battery staple");
  config_.password_vault.field = "pass";
  EXPECT_THAT(password(), HasSubstr("kv/restic has no text \"pass\""));
  config_.password_vault = {.url = vault_.url(),
                            .path = "secret/data/restic",
                            .field = "port",
                            .token_file = config_.password_vault.token_file,
                            .ca_file = {},
                            .server_name = {}};
  EXPECT_THAT(password(), HasSubstr("has no text \"port\""));
  config_.password_vault.path = "secret/data/odd";
  EXPECT_THAT(password(), HasSubstr("has no text"));
  folder_.write("token", "s.other\n");
  EXPECT_THAT(password(), HasSubstr("HTTP status 403: permission denied"));
  config_.password_vault.url = "http://127.0.0.1:1";
  EXPECT_THAT(password(), HasSubstr("password in Vault"));
}

TEST_F(RepositoryPasswordTest, TheEnvironmentHasIt) {
  config_.password_vault = {};
  config_.password_env = "WATCHKEEPER_TEST_PASSWORD";
  EXPECT_THAT(password(), HasSubstr("the agent's environment has no WATCHKEEPER_TEST_PASSWORD"));
  ASSERT_EQ(::setenv("WATCHKEEPER_TEST_PASSWORD", "staple", 1), 0);
  EXPECT_EQ(password(), "staple");
  ::unsetenv("WATCHKEEPER_TEST_PASSWORD");
}

TEST_F(RepositoryPasswordTest, ResticOpensTheRepositoryWithIt) {
  core::process::ChildProcessRunner runner(clock_);
  UntouchedSeams seams;
  const auto set = BackupSet::open({config_}, options_in(folder_), seams.with(runner, clock_));
  ASSERT_TRUE(set) << set.error().message;
  const auto record = (*set)->take("keys", "test", {});
  ASSERT_TRUE(record && record->succeeded) << record->error;
  config_.password_vault.path = "kv/restic";
  (*set)->configure({config_});
  EXPECT_THAT((*set)->take("keys", "test", {})->error, HasSubstr("wrong password"));
}

}  // namespace
}  // namespace actions::backup
