// SPDX-License-Identifier: Apache-2.0
#include "collector/host/systemd_bus.h"

#include <systemd/sd-bus.h>
#include <unistd.h>

#include <cstring>
#include <system_error>

namespace collector::host {
namespace {

using core::Errc;
using core::Result;

constexpr const char* kOwnSocket = "unix:path=/run/systemd/private";
constexpr const char* kSystemBus = "unix:path=/run/dbus/system_bus_socket";

core::Error bus_error(std::string_view doing, int negative, const sd_bus_error* said = nullptr) {
  const int number = -negative;
  const bool absent = number == ENOENT || number == ECONNREFUSED;
  const bool late = number == ETIMEDOUT;
  std::string why = std::generic_category().message(number);
  if (said != nullptr && said->message != nullptr) why = said->message;
  return core::error(absent ? Errc::kNotFound : (late ? Errc::kTimeout : Errc::kFailed), "systemd: {}: {}", doing, why);
}

// What one call gave, freed at its end.
struct Reply {
  Reply() = default;
  Reply(const Reply&) = delete;
  Reply& operator=(const Reply&) = delete;
  ~Reply() {
    sd_bus_message_unref(message);
    sd_bus_error_free(&error);
  }
  sd_bus_message* message = nullptr;
  sd_bus_error error = SD_BUS_ERROR_NULL;
};

struct Call {
  explicit Call(sd_bus_message* made) : message(made) {}
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call() { sd_bus_message_unref(message); }
  sd_bus_message* message;
};

}  // namespace

Result<std::unique_ptr<SystemdBus>> SystemdBus::open(const core::Clock& clock, const std::string& address,
                                                     core::SteadyTime deadline) {
  const bool own_socket = ::geteuid() == 0 && ::access("/run/systemd/private", F_OK) == 0;
  const std::string place = !address.empty() ? address : (own_socket ? kOwnSocket : kSystemBus);
  const bool to_manager = place.ends_with("/private");
  sd_bus* bus = nullptr;
  int done = sd_bus_new(&bus);
  if (done < 0) return core::fail(bus_error("making a connection", done));
  auto connection = std::unique_ptr<SystemdBus>(new SystemdBus(clock, bus, to_manager, deadline));
  done = sd_bus_set_address(bus, place.c_str());
  if (done >= 0 && !to_manager) done = sd_bus_set_bus_client(bus, 1);
  if (done >= 0) done = sd_bus_start(bus);
  if (done < 0) return core::fail(bus_error("connecting to " + place, done));
  if (auto ready = connection->wait_until_ready(); !ready) return core::fail(ready.error());
  return connection;
}

SystemdBus::~SystemdBus() { sd_bus_close_unref(bus_); }

Result<std::uint64_t> SystemdBus::remaining() const {
  const auto left = std::chrono::duration_cast<std::chrono::microseconds>(deadline_ - clock_.steady_now()).count();
  if (left <= 0) return core::fail(Errc::kTimeout, "systemd: no answer in time");
  return static_cast<std::uint64_t>(left);
}

// sd_bus_call() would do this by itself, but wait as long as the other side likes.
Result<void> SystemdBus::wait_until_ready() {
  for (;;) {
    const int ready = sd_bus_is_ready(bus_);
    if (ready > 0) return {};
    if (ready < 0) return core::fail(bus_error("connecting", ready));
    const auto left = remaining();
    if (!left) return core::fail(left.error());
    const int processed = sd_bus_process(bus_, nullptr);
    if (processed < 0) return core::fail(bus_error("connecting", processed));
    if (processed > 0) continue;
    const int waited = sd_bus_wait(bus_, *left);
    if (waited < 0 && waited != -EINTR) return core::fail(bus_error("connecting", waited));
  }
}

Result<std::vector<SystemdBus::UnitLine>> SystemdBus::list_units(std::size_t most) {
  sd_bus_message* made = nullptr;
  int done = sd_bus_message_new_method_call(bus_, &made, destination(), kManagerPath, kManager, "ListUnits");
  const Call call(made);
  if (done < 0) return core::fail(bus_error("ListUnits", done));
  const auto left = remaining();
  if (!left) return core::fail(left.error());
  Reply reply;
  done = sd_bus_call(bus_, call.message, *left, &reply.error, &reply.message);
  if (done < 0) return core::fail(bus_error("ListUnits", done, &reply.error));
  done = sd_bus_message_enter_container(reply.message, SD_BUS_TYPE_ARRAY, "(ssssssouso)");
  if (done < 0) return core::fail(bus_error("ListUnits", done));
  std::vector<UnitLine> lines;
  for (;;) {
    const char *name = nullptr, *description = nullptr, *load = nullptr, *active = nullptr, *sub = nullptr;
    const char *following = nullptr, *path = nullptr, *job_type = nullptr, *job_path = nullptr;
    std::uint32_t job = 0;
    done = sd_bus_message_read(reply.message, "(ssssssouso)", &name, &description, &load, &active, &sub, &following,
                               &path, &job, &job_type, &job_path);
    if (done < 0) return core::fail(bus_error("ListUnits", done));
    if (done == 0) return lines;
    if (lines.size() == most) return core::fail(Errc::kLimitExceeded, "systemd: more than {} units", most);
    lines.push_back({name, load, active, path});
  }
}

Result<std::string> SystemdBus::text(const std::string& path, const char* interface, const char* property) {
  const auto left = remaining();
  if (!left) return core::fail(left.error());
  sd_bus_set_method_call_timeout(bus_, *left);
  Reply reply;
  int done =
      sd_bus_get_property(bus_, destination(), path.c_str(), interface, property, &reply.error, &reply.message, "s");
  if (done < 0) return core::fail(bus_error(property, done, &reply.error));
  const char* value = nullptr;
  done = sd_bus_message_read(reply.message, "s", &value);
  if (done < 0) return core::fail(bus_error(property, done));
  return std::string(value);
}

Result<double> SystemdBus::number(const std::string& path, const char* interface, const char* property) {
  const auto left = remaining();
  if (!left) return core::fail(left.error());
  sd_bus_set_method_call_timeout(bus_, *left);
  Reply reply;
  // sd_bus_get_property() wants the type beforehand; systemd has counts of 32 and times of 64 bits.
  sd_bus_message* made = nullptr;
  int done = sd_bus_message_new_method_call(bus_, &made, destination(), path.c_str(), "org.freedesktop.DBus.Properties",
                                            "Get");
  const Call call(made);
  if (done >= 0) done = sd_bus_message_append(call.message, "ss", interface, property);
  if (done >= 0) done = sd_bus_call(bus_, call.message, *left, &reply.error, &reply.message);
  if (done < 0) return core::fail(bus_error(property, done, &reply.error));
  char type = 0;
  const char* contents = nullptr;
  done = sd_bus_message_peek_type(reply.message, &type, &contents);
  if (done < 0 || type != SD_BUS_TYPE_VARIANT || contents == nullptr) return core::fail(bus_error(property, -EBADMSG));
  if (std::strcmp(contents, "u") == 0) {
    std::uint32_t value = 0;
    done = sd_bus_message_read(reply.message, "v", "u", &value);
    if (done >= 0) return value;
  } else if (std::strcmp(contents, "t") == 0) {
    std::uint64_t value = 0;
    done = sd_bus_message_read(reply.message, "v", "t", &value);
    if (done >= 0) return static_cast<double>(value);
  } else {
    done = -EBADMSG;
  }
  return core::fail(bus_error(property, done));
}

}  // namespace collector::host
