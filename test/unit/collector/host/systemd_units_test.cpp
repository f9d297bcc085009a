// SPDX-License-Identifier: Apache-2.0
// systemd as its D-Bus interface shows it: a manager of a few units that answers what systemd has and nothing else. A
// real one moves every process of its cgroup when it starts, which a test must not do to the machine it runs on.
#include "collector/host/systemd_units.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "test/unit/collector/host/host_tree.h"

namespace collector::host {
namespace {

constexpr const char* kRoot = "/org/freedesktop/systemd1";

struct FakeUnit {
  const char *name, *load, *active, *path;
};

constexpr FakeUnit kUnits[] = {
    {"geth.service", "loaded", "active", "/org/freedesktop/systemd1/unit/geth_2eservice"},
    {"fails.service", "loaded", "failed", "/org/freedesktop/systemd1/unit/fails_2eservice"},
    {"gone.service", "not-found", "inactive", "/org/freedesktop/systemd1/unit/gone_2eservice"},
    {"backup.timer", "loaded", "active", "/org/freedesktop/systemd1/unit/backup_2etimer"},
    {"api.socket", "loaded", "active", "/org/freedesktop/systemd1/unit/api_2esocket"},
    {"-.mount", "loaded", "active", "/org/freedesktop/systemd1/unit/_2d_2emount"},
    {"multi-user.target", "loaded", "active", "/org/freedesktop/systemd1/unit/multi_2duser_2etarget"}};

int text_property(sd_bus*, const char*, const char*, const char* property, sd_bus_message* reply, void*,
                  sd_bus_error*) {
  const std::string name = property;
  const char* value = name == "Version" ? "252.39-1~deb12u2" : (name == "SystemState" ? "degraded" : "notify");
  return sd_bus_message_append(reply, "s", value);
}

int count_property(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void*, sd_bus_error*) {
  return sd_bus_message_append(reply, "u", 3U);
}

int time_property(sd_bus*, const char*, const char*, const char* property, sd_bus_message* reply, void*,
                  sd_bus_error*) {
  const bool no_bound = std::string(property) == "TasksMax";
  return sd_bus_message_append(reply, "t", no_bound ? UINT64_MAX : std::uint64_t{1'700'000'000'500'000});
}

int list_units(sd_bus_message* call, void* lists, sd_bus_error*) {
  ++*static_cast<std::atomic<int>*>(lists);
  sd_bus_message* reply = nullptr;
  sd_bus_message_new_method_return(call, &reply);
  sd_bus_message_open_container(reply, 'a', "(ssssssouso)");
  for (const FakeUnit& unit : kUnits) {
    sd_bus_message_append(reply, "(ssssssouso)", unit.name, "d", unit.load, unit.active, "sub", "", unit.path, 0U, "",
                          "/");
  }
  sd_bus_message_close_container(reply);
  const int sent = sd_bus_send(nullptr, reply, nullptr);
  sd_bus_message_unref(reply);
  return sent < 0 ? sent : 1;
}

const sd_bus_vtable kManagerTable[] = {
    SD_BUS_VTABLE_START(0), SD_BUS_PROPERTY("Version", "s", text_property, 0, 0),
    SD_BUS_PROPERTY("SystemState", "s", text_property, 0, 0),
    SD_BUS_METHOD("ListUnits", "", "a(ssssssouso)", list_units, SD_BUS_VTABLE_UNPRIVILEGED), SD_BUS_VTABLE_END};
const sd_bus_vtable kServiceTable[] = {SD_BUS_VTABLE_START(0), SD_BUS_PROPERTY("Type", "s", text_property, 0, 0),
                                       SD_BUS_PROPERTY("NRestarts", "u", count_property, 0, 0),
                                       SD_BUS_PROPERTY("TasksMax", "t", time_property, 0, 0), SD_BUS_VTABLE_END};
const sd_bus_vtable kTimerTable[] = {SD_BUS_VTABLE_START(0),
                                     SD_BUS_PROPERTY("LastTriggerUSec", "t", time_property, 0, 0), SD_BUS_VTABLE_END};
const sd_bus_vtable kSocketTable[] = {SD_BUS_VTABLE_START(0), SD_BUS_PROPERTY("NAccepted", "u", count_property, 0, 0),
                                      SD_BUS_PROPERTY("NConnections", "u", count_property, 0, 0),
                                      SD_BUS_PROPERTY("NRefused", "u", count_property, 0, 0), SD_BUS_VTABLE_END};

// Serves one connection after another, until it is destroyed.
class FakeSystemd {
 public:
  explicit FakeSystemd(const std::string& path) : listening_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(listening_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listening_, 5), 0);
  }
  FakeSystemd(const FakeSystemd&) = delete;
  FakeSystemd& operator=(const FakeSystemd&) = delete;
  ~FakeSystemd() {
    stopped_ = true;
    // An accept() that waits returns when the socket is shut down.
    ::shutdown(listening_, SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
    ::close(listening_);
  }
  void answer() {
    thread_ = std::thread([this] {
      for (;;) {
        const int number = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (number < 0) return;
        serve(number);
      }
    });
  }
  int lists() const { return lists_; }
  void hang_up() { hang_up_ = true; }  // after the next answer

 private:
  void serve(int number) {
    sd_bus* bus = nullptr;
    sd_bus_new(&bus);
    sd_bus_set_fd(bus, number, number);
    sd_id128_t id{};
    sd_bus_set_server(bus, 1, id);
    sd_bus_set_anonymous(bus, 1);
    sd_bus_add_object_vtable(bus, nullptr, kRoot, "org.freedesktop.systemd1.Manager", kManagerTable, &lists_);
    for (const FakeUnit& unit : kUnits) {
      const std::string_view name = unit.name;
      const auto add = [&](const char* interface, const sd_bus_vtable* table) {
        sd_bus_add_object_vtable(bus, nullptr, unit.path, interface, table, nullptr);
      };
      if (name.ends_with(".service")) add("org.freedesktop.systemd1.Service", kServiceTable);
      if (name.ends_with(".timer")) add("org.freedesktop.systemd1.Timer", kTimerTable);
      if (name.ends_with(".socket")) add("org.freedesktop.systemd1.Socket", kSocketTable);
    }
    int done = sd_bus_start(bus);
    while (done >= 0 && !stopped_ && !(hang_up_ && lists_ > 0)) {
      done = sd_bus_process(bus, nullptr);
      if (done == 0) done = sd_bus_wait(bus, 20'000);
    }
    hang_up_ = false;
    sd_bus_flush_close_unref(bus);
  }

  int listening_;
  std::atomic<bool> stopped_{false}, hang_up_{false};
  std::atomic<int> lists_{0};
  std::thread thread_;
};

class SystemdTest : public testing::Test {
 protected:
  SystemdTest() {
    EXPECT_NE(::mkdtemp(folder.data()), nullptr);
    options.bus = "unix:path=" + folder + "/private";
    options.interval = {};
  }
  ~SystemdTest() override { std::filesystem::remove_all(folder); }

  std::map<std::string, double> ask(SystemdUnits& units) {
    ExpositionWriter out;
    outcome = units.write(out);
    return samples_of(out.take());
  }

  std::string folder = (std::filesystem::temp_directory_path() / "systemd_XXXXXX").string();
  core::SystemClock clock;
  SystemdOptions options;
  core::Result<void> outcome;
};

TEST_F(SystemdTest, UnitsHaveNodeExportersNames) {
  FakeSystemd systemd(folder + "/private");
  systemd.answer();
  options.tasks = true;
  SystemdUnits units(clock, options);
  const auto got = ask(units);
  ASSERT_TRUE(outcome) << outcome.error().message;
  const std::map<std::string, double> expected = {
      {R"(node_systemd_version{version="252.39-1~deb12u2"})", 252.39},
      {"node_systemd_system_running", 0},
      {R"(node_systemd_units{state="active"})", 5},
      {R"(node_systemd_units{state="failed"})", 1},
      {R"(node_systemd_units{state="inactive"})", 1},
      {R"(node_systemd_unit_state{name="geth.service", state="active", type="notify"})", 1},
      {R"(node_systemd_unit_state{name="geth.service", state="failed", type="notify"})", 0},
      {R"(node_systemd_unit_state{name="fails.service", state="failed", type="notify"})", 1},
      {R"(node_systemd_unit_state{name="multi-user.target", state="active"})", 1},
      {R"(node_systemd_service_restart_total{name="geth.service"})", 3},
      {R"(node_systemd_timer_last_trigger_seconds{name="backup.timer"})", 1'700'000'000.5},
      {R"(node_systemd_socket_accepted_connections_total{name="api.socket"})", 3},
      {R"(node_systemd_socket_current_connections{name="api.socket"})", 3},
      {R"(node_systemd_socket_refused_connections_total{name="api.socket"})", 3}};
  for (const auto& [series, value] : expected) {
    ASSERT_TRUE(got.contains(series)) << series;
    EXPECT_DOUBLE_EQ(got.at(series), value) << series;
  }
  for (const auto& [series, value] : got) {
    EXPECT_EQ(series.find("gone.service"), std::string::npos) << "not loaded: " << series;
    EXPECT_EQ(series.find(".mount"), std::string::npos) << "excluded: " << series;
    EXPECT_EQ(series.find("tasks"), std::string::npos) << "no bound, or not there: " << series;
  }
}

TEST_F(SystemdTest, AConnectionThatWasClosedIsMadeAnew) {
  FakeSystemd systemd(folder + "/private");
  systemd.answer();
  SystemdUnits units(clock, options);
  ask(units);
  ASSERT_TRUE(outcome) << outcome.error().message;
  systemd.hang_up();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(ask(units).at(R"(node_systemd_units{state="active"})"), 5);
    EXPECT_TRUE(outcome) << outcome.error().message;
  }
}

TEST_F(SystemdTest, IsAskedNoMoreOftenThanItMay) {
  FakeSystemd systemd(folder + "/private");
  systemd.answer();
  options.interval = std::chrono::hours(1);
  SystemdUnits units(clock, options);
  const auto first = ask(units);
  EXPECT_EQ(ask(units), first);
  EXPECT_EQ(systemd.lists(), 1);
}

TEST_F(SystemdTest, WithoutOneThereIsNoSuchThing) {
  SystemdUnits units(clock, options);
  ask(units);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, core::Errc::kNotFound) << outcome.error().message;
}

TEST_F(SystemdTest, OneThatNeverAnswersIsNotWaitedFor) {
  const FakeSystemd systemd(folder + "/private");
  SystemdUnits units(clock, options);
  const auto start = clock.steady_now();
  ask(units);
  const auto took = clock.steady_now() - start;
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, core::Errc::kTimeout) << outcome.error().message;
  EXPECT_GE(took, kSystemdBudget - std::chrono::milliseconds(100));
  EXPECT_LT(took, kSystemdBudget + std::chrono::seconds(5));  // the machine may be busy
}

}  // namespace
}  // namespace collector::host
