// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

namespace core {

// A piece of work that can wait: begins when it is awaited (or start()ed), and goes on in whoever awaited it.
// Destroying one that waits ends it there, with all that it awaits.
//
// Thread safety: confined to one thread.
template <class T>
class [[nodiscard]] Task {
 public:
  struct promise_type;
  using Handle = std::coroutine_handle<promise_type>;

  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept;
  T await_resume();

 private:
  explicit Task(Handle handle) : handle_(handle) {}
  Handle handle_;
};

namespace internal {

struct TaskEnd {
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ended) noexcept {
    const std::coroutine_handle<> next = ended.promise().awaiting;
    return next ? next : std::noop_coroutine();
  }
  void await_resume() const noexcept {}
};

struct TaskPromise {
  std::coroutine_handle<> awaiting;
  std::exception_ptr thrown;

  std::suspend_always initial_suspend() const noexcept { return {}; }
  TaskEnd final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { thrown = std::current_exception(); }
};

}  // namespace internal

template <class T>
struct Task<T>::promise_type : internal::TaskPromise {
  std::optional<T> value;
  Task get_return_object() { return Task(Handle::from_promise(*this)); }
  template <class U>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
};

template <class T>
std::coroutine_handle<> Task<T>::await_suspend(std::coroutine_handle<> awaiting) noexcept {
  handle_.promise().awaiting = awaiting;
  return handle_;
}

template <class T>
T Task<T>::await_resume() {
  if (handle_.promise().thrown) std::rethrow_exception(handle_.promise().thrown);
  return std::move(*handle_.promise().value);
}

// The outermost piece of work, begun by a plain function; whoever holds it may destroy it while it waits, never from
// within itself.
//
// Thread safety: confined to one thread.
class [[nodiscard]] RootTask {
 public:
  struct promise_type {
    RootTask get_return_object() { return RootTask(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    std::suspend_always final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }
  };

  RootTask() = default;
  RootTask(RootTask&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  RootTask& operator=(RootTask&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~RootTask() {
    if (handle_) handle_.destroy();
  }
  void start() { handle_.resume(); }

 private:
  explicit RootTask(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  std::coroutine_handle<promise_type> handle_;
};

}  // namespace core
