// SPDX-License-Identifier: Apache-2.0
#include "core/process/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

#include "core/check.h"
#include "core/process/bounded_capture.h"
#include "core/time/duration.h"

namespace core::process {
namespace {

constexpr std::string_view kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// What may still be read once the program has ended: more than a pipe holds (64 KiB unless enlarged) can only come from
// a daemon that left the process group and goes on writing.
constexpr std::size_t kDrainLimit = 1 << 20;

constexpr std::size_t kReadBuffer = 64 << 10;

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() { close(); }

  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_ = -1;
};

struct Pipe {
  Descriptor read;
  Descriptor write;
};

// A descriptor of ours that stands at 0..2 (a daemon may start with them closed) would be overwritten while the child's
// own are put in place.
Result<Descriptor> above_standard(Descriptor from) {
  if (from.get() > STDERR_FILENO) return from;
  Descriptor moved(::fcntl(from.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  if (!moved.is_open()) return fail(Errc::kFailed, "cannot duplicate a descriptor: {}", std::strerror(errno));
  return moved;
}

enum class OurEnd { kRead, kWrite };

// Our end does not block.
Result<Pipe> make_pipe(OurEnd ours) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail(Errc::kFailed, "cannot make a pipe: {}", std::strerror(errno));
  Descriptor first(ends[0]);
  Descriptor second(ends[1]);
  Result<Descriptor> read = above_standard(std::move(first));
  if (!read) return fail(read.error());
  Result<Descriptor> write = above_standard(std::move(second));
  if (!write) return fail(write.error());
  ::fcntl(ours == OurEnd::kRead ? read->get() : write->get(), F_SETFL, O_NONBLOCK);
  return Pipe{std::move(*read), std::move(*write)};
}

// Writing to a pipe that nobody reads raises SIGPIPE in the writing thread; its default ends the agent. While one of
// these lives it is held back, and one that we caused is taken away again.
class SigpipeHeld {
 public:
  SigpipeHeld() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  SigpipeHeld(const SigpipeHeld&) = delete;
  SigpipeHeld& operator=(const SigpipeHeld&) = delete;
  ~SigpipeHeld() {
    const timespec now{};
    if (!was_pending_) sigtimedwait(&pipe_, nullptr, &now);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t pipe_;
  sigset_t before_;
  bool was_pending_;
};

std::map<std::string, std::string> environment_of(const Command& command) {
  std::map<std::string, std::string> environment = command.environment;
  for (const char* name : {"PATH", "HOME", "LANG", "TZ"}) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing in this program calls setenv.
    if (const char* value = std::getenv(name)) environment.try_emplace(name, value);
  }
  environment.try_emplace("PATH", kDefaultPath);
  return environment;
}

// The file to execute: argv[0] itself if it has a '/', else the first executable of that name in the child's PATH.
Result<std::string> find_program(const std::string& name, const std::string& path) {
  if (name.find('/') != std::string::npos) {
    if (::access(name.c_str(), F_OK) != 0) return fail(Errc::kNotFound, "{}: {}", name, std::strerror(errno));
    return name;
  }
  for (std::size_t start = 0; !name.empty() && start <= path.size();) {
    const std::size_t end = std::min(path.find(':', start), path.size());
    const std::string candidate = path.substr(start, end - start) + "/" + name;
    struct stat status{};
    if (::stat(candidate.c_str(), &status) == 0 && S_ISREG(status.st_mode) && ::access(candidate.c_str(), X_OK) == 0) {
      return candidate;
    }
    start = end + 1;
  }
  return fail(Errc::kNotFound, "no program \"{}\" in {}", name, path);
}

// posix_spawn's two settings objects, freed on every path.
class SpawnSettings {
 public:
  SpawnSettings(const Command& command, int input, int output, int errors) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    if (input >= 0) {
      posix_spawn_file_actions_adddup2(&actions_, input, STDIN_FILENO);
    } else {
      posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    }
    posix_spawn_file_actions_adddup2(&actions_, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions_, errors, STDERR_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
    if (!command.working_directory.empty()) {
      posix_spawn_file_actions_addchdir_np(&actions_, command.working_directory.c_str());
    }
    sigset_t none;
    sigemptyset(&none);
    sigset_t all;
    sigfillset(&all);
    sigdelset(&all, SIGKILL);
    sigdelset(&all, SIGSTOP);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }

  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

// Pointers into `texts`, ended by a null pointer, as exec wants them.
std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// One running child and our ends of its pipes. Until finish(), the child is not reaped, so its process id and its group
// cannot come to mean another process.
//
// Thread safety: confined to one thread.
class RunningChild {
 public:
  static Result<RunningChild> start(const Command& command) {
    CHECK(!command.argv.empty(), "a command without a program");
    for (const std::string& argument : command.argv) {
      if (argument.find('\0') != std::string::npos) return fail(Errc::kInvalid, "an argument has a NUL byte");
    }
    std::map<std::string, std::string> environment = environment_of(command);
    Result<std::string> program = find_program(command.argv.front(), environment["PATH"]);
    if (!program) return fail(program.error());
    std::vector<std::string> variables;
    for (const auto& [name, value] : environment) variables.push_back(name + "=" + value);
    std::vector<std::string> arguments = command.argv;

    RunningChild child(command.output_limit);
    Pipe input;
    if (!command.input.empty()) {
      Result<Pipe> made = make_pipe(OurEnd::kWrite);
      if (!made) return fail(made.error());
      input = std::move(*made);
    }
    Result<Pipe> output = make_pipe(OurEnd::kRead);
    Result<Pipe> errors = make_pipe(OurEnd::kRead);
    if (!output || !errors) return fail(output ? errors.error() : output.error());
    const SpawnSettings settings(command, input.read.get(), output->write.get(), errors->write.get());
    const int code = ::posix_spawn(&child.pid_, program->c_str(), settings.actions(), settings.attributes(),
                                   pointers_to(arguments).data(), pointers_to(variables).data());
    if (code != 0) {
      child.pid_ = -1;
      return fail(code == ENOENT ? Errc::kNotFound : Errc::kFailed, "cannot start {}: {}", *program,
                  std::strerror(code));
    }
    child.pidfd_ = Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, child.pid_, 0)));
    if (!child.pidfd_.is_open()) return fail(Errc::kFailed, "pidfd_open of {}: {}", *program, std::strerror(errno));
    child.input_ = std::move(input.write);
    child.output_.source = std::move(output->read);
    child.errors_.source = std::move(errors->read);
    return child;
  }

  RunningChild(RunningChild&& other) noexcept
      : pid_(std::exchange(other.pid_, -1)),
        pidfd_(std::move(other.pidfd_)),
        input_(std::move(other.input_)),
        output_(std::move(other.output_)),
        errors_(std::move(other.errors_)) {}
  RunningChild& operator=(RunningChild&&) = delete;
  ~RunningChild() {
    if (pid_ < 0) return;
    signal_group(SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }

  void signal_group(int signal) const { ::kill(-pid_, signal); }

  // Moves bytes until something happened or `wait` passed. True once the child has ended.
  bool exchange(std::string_view& input, Duration wait, int wake) {
    if (input.empty()) input_.close();
    std::array<pollfd, 5> polled = {{{pidfd_.get(), POLLIN, 0},
                                     {output_.source.get(), POLLIN, 0},
                                     {errors_.source.get(), POLLIN, 0},
                                     {input_.get(), POLLOUT, 0},
                                     {wake, POLLIN, 0}}};
    const auto wait_ms = std::clamp<std::int64_t>(std::chrono::ceil<Millis>(wait).count(), 0, 3'600'000);
    if (::poll(polled.data(), polled.size(), static_cast<int>(wait_ms)) < 0) return false;  // EINTR: come again
    if (polled[1].revents != 0) output_.read_some();
    if (polled[2].revents != 0) errors_.read_some();
    if (polled[3].revents != 0) write_some(input);
    return polled[0].revents != 0;
  }

  // REQUIRES: exchange() said that the child has ended.
  Exit finish() {
    signal_group(SIGKILL);  // before the reaping that frees the group's id
    siginfo_t info{};
    while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    output_.drain();
    errors_.drain();
    Exit exit;
    if (info.si_code == CLD_EXITED) {
      exit.status = info.si_status;
    } else {
      exit.signal = info.si_status;
    }
    exit.output = output_.capture.text();
    exit.errors = errors_.capture.text();
    exit.output_bytes = output_.capture.total();
    exit.error_bytes = errors_.capture.total();
    return exit;
  }

 private:
  struct Stream {
    Descriptor source;
    BoundedCapture capture;

    // Bytes read; 0 when there is nothing more for now or for ever.
    std::size_t read_some() {
      std::array<char, kReadBuffer> buffer;
      const ssize_t count = ::read(source.get(), buffer.data(), buffer.size());
      if (count > 0) {
        capture.append({buffer.data(), static_cast<std::size_t>(count)});
        return static_cast<std::size_t>(count);
      }
      if (count == 0 || (errno != EAGAIN && errno != EINTR)) source.close();
      return 0;
    }

    void drain() {
      std::size_t drained = 0;
      while (source.is_open() && drained < kDrainLimit) {
        const std::size_t count = read_some();
        if (count == 0) return;
        drained += count;
      }
    }
  };

  explicit RunningChild(std::size_t output_limit)
      : output_{Descriptor(), BoundedCapture(output_limit)}, errors_{Descriptor(), BoundedCapture(output_limit)} {}

  void write_some(std::string_view& input) {
    const SigpipeHeld held;
    const ssize_t count = ::write(input_.get(), input.data(), input.size());
    if (count > 0) input.remove_prefix(static_cast<std::size_t>(count));
    if (count < 0 && errno != EAGAIN && errno != EINTR) input = {};  // it does not want the rest
  }

  pid_t pid_ = -1;
  Descriptor pidfd_;
  Descriptor input_;
  Stream output_;
  Stream errors_;
};

}  // namespace

std::string Exit::to_string() const {
  if (timed_out) return "timed out after " + format_duration(std::chrono::duration_cast<Millis>(timeout));
  if (stopped) return "stopped";
  if (signal) {
    const char* description = ::sigdescr_np(*signal);
    return fmt::format("killed by signal {} ({})", *signal, description == nullptr ? "unknown" : description);
  }
  return fmt::format("exited with {}", status.value_or(-1));
}

Result<Exit> ChildProcessRunner::run(const Command& command, std::stop_token stop) {
  const Descriptor wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.is_open()) return fail(Errc::kFailed, "eventfd: {}", std::strerror(errno));
  const std::stop_callback on_stop(stop, [&wake] { ::eventfd_write(wake.get(), 1); });
  const SteadyTime started = clock_.steady_now();
  Result<RunningChild> child = RunningChild::start(command);
  if (!child) return fail(child.error());

  std::string_view input = command.input;
  bool timed_out = false;
  bool stopped = false;
  bool killed = false;
  SteadyTime deadline = started + command.timeout;
  for (;;) {
    // Once asked to end, the wake-up has done its work; it stays readable.
    const bool asked = timed_out || stopped;
    const Duration wait = killed ? Duration::max() : deadline - clock_.steady_now();
    if (child->exchange(input, wait, asked ? -1 : wake.get())) break;
    const SteadyTime now = clock_.steady_now();
    if (asked) {
      if (now >= deadline && !killed) child->signal_group(SIGKILL), killed = true;
      continue;
    }
    stopped = stop.stop_requested();
    timed_out = !stopped && now >= deadline;
    if (stopped || timed_out) {
      child->signal_group(SIGTERM);
      deadline = now + command.grace;
    }
  }
  Exit exit = child->finish();
  exit.timed_out = timed_out;
  exit.stopped = stopped;
  exit.took = clock_.steady_now() - started;
  exit.timeout = command.timeout;
  return exit;
}

}  // namespace core::process
