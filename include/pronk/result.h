// Result<T>: a value, or an Error that says what failed, on what, and what to do about it.
//
// Names follow std::expected, so that Result can become an alias of it once the compiler has one.
// A message is one line, "step: thing: what was found, what was needed; what to do", lower case.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace pronk {

// The kinds of failure. exit_code() and http_status() are the only two tables that read them.
enum class Code : unsigned char {
  kInvalidArgument,    // the caller's input is wrong              -> exit 2,  HTTP 400
  kUnsupported,        // valid, but this build cannot do it       -> exit 3,  HTTP 501
  kNotFound,           // a file, tensor or model is missing       -> exit 4,  HTTP 404
  kResourceExhausted,  // memory, disk, KV pages, queue are full   -> exit 5,  HTTP 503
  kNetwork,            // a server did not answer, or refused      -> exit 6,  HTTP 502
  kCorruptData,        // bytes break their format or checksum     -> exit 7,  HTTP 500
  kFailed,  // the work itself failed (a template raised, a NaN logit, an I/O error) -> exit 1, HTTP
            // 500
  kCancelled,  // the caller went away                     -> exit 130, HTTP 499
  kInternal,   // our bug                                  -> exit 70, HTTP 500
};

int exit_code(Code code);
int http_status(Code code);

struct Error {
  Code code;
  std::string message;
  const char* file;  // where it was made: __builtin_FILE, because clang 14 (clang-tidy) lacks
  int line;          // std::source_location

  // Adds the outer step to the front: "load model 'x': read header: file is 12 bytes, need 16".
  Error&& in(std::string_view step) && {
    message.insert(0, std::string(step) + ": ");
    return std::move(*this);
  }
};

inline Error error(Code code, std::string message, const char* file = __builtin_FILE(),
                   int line = __builtin_LINE()) {
  return {code, std::move(message), file, line};
}

template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error e) : state_(std::in_place_index<1>, std::move(e)) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  T& operator*() & { return *std::get_if<0>(&state_); }
  const T& operator*() const& { return *std::get_if<0>(&state_); }
  T&& operator*() && { return std::move(*std::get_if<0>(&state_)); }
  T* operator->() { return std::get_if<0>(&state_); }
  const T* operator->() const { return std::get_if<0>(&state_); }
  Error& error() & { return *std::get_if<1>(&state_); }
  const Error& error() const& { return *std::get_if<1>(&state_); }
  Error&& error() && { return std::move(*std::get_if<1>(&state_)); }

 private:
  std::variant<T, Error> state_;
};

struct Ok {};  // the value of a Result that carries none
using Status = Result<Ok>;

// A broken invariant of ours: prints and aborts. Never for input, files, network or memory limits.
[[noreturn]] void check_failed(const char* condition, const char* message, const char* file,
                               int line);

}  // namespace pronk

// auto file = PRONK_TRY(File::open(path));   on error: returns it from this function.
#define PRONK_TRY(expr)                                          \
  __extension__({                                                \
    auto pronk_result_ = (expr);                                 \
    if (!pronk_result_) return std::move(pronk_result_).error(); \
    *std::move(pronk_result_);                                   \
  })

// The same, and names the step that failed.
#define PRONK_TRY_IN(step, expr)                                          \
  __extension__({                                                         \
    auto pronk_result_ = (expr);                                          \
    if (!pronk_result_) return std::move(pronk_result_).error().in(step); \
    *std::move(pronk_result_);                                            \
  })

#define PRONK_CHECK(condition, message) \
  ((condition) ? void(0) : ::pronk::check_failed(#condition, message, __FILE__, __LINE__))
