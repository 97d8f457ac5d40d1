#include "cli/line_editor.h"

#include <histedit.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cwchar>
#include <string_view>

#include "cli/signals.h"

namespace pronk::cli {
namespace {

constexpr int kHistoryEntries = 1000;
// Terminals wrap what is pasted in these when asked to, so that its newlines are told from Enter.
constexpr std::string_view kPasteOn = "\x1b[?2004h", kPasteOff = "\x1b[?2004l";
constexpr std::string_view kPasteBegin = "\x1b[200~", kPasteEnd = "\x1b[201~";
// Stands in the line for a newline of a paste until the line is handed out: a line feed would end
// it.
constexpr wchar_t kPastedNewline = L'\u2028';  // LINE SEPARATOR
constexpr std::string_view kPastedNewlineBytes = "\u2028";

std::string with_newlines_back(std::string_view line) {
  std::string text;
  for (;;) {
    const std::size_t at = line.find(kPastedNewlineBytes);
    text += line.substr(0, at);
    if (at == std::string_view::npos) return text;
    text += '\n';
    line.remove_prefix(at + kPastedNewlineBytes.size());
  }
}

}  // namespace

struct LineEditor::Impl {
  EditLine* editor = nullptr;
  History* history = nullptr;
  FILE* screen = nullptr;
  std::filesystem::path history_file;
  std::string prompt;
  std::string typed;  // bytes read and not yet handed to libedit
  std::mbstate_t state{};
  bool interrupted = false;
  bool in_paste = false;

  static Impl& of(EditLine* editor) {
    void* self = nullptr;
    ::el_get(editor, EL_CLIENTDATA, &self);
    return *static_cast<Impl*>(self);
  }
  static char* show_prompt(EditLine* editor) { return of(editor).prompt.data(); }
  static int read_character(EditLine* editor, wchar_t* character) {
    return of(editor).next_character(character);
  }

  bool wait_for_bytes();
  bool fill(std::size_t num_bytes);
  bool take(std::string_view sequence);
  int next_character(wchar_t* character);
  void keep_history();
};

// Reads what the terminal has; false at its end, on Ctrl-C and on errors.
bool LineEditor::Impl::wait_for_bytes() {
  for (;;) {
    pollfd fds[] = {{STDIN_FILENO, POLLIN, 0}, {signal_fd(), POLLIN, 0}};
    if (::poll(fds, 2, -1) < 0 && errno != EINTR) return false;
    if (noted_signal()) {
      interrupted = true;
      return false;
    }
    if (!fds[0].revents) continue;
    char buffer[1024];
    const ssize_t n = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) return false;
    typed.append(buffer, static_cast<std::size_t>(n));
    return true;
  }
}

bool LineEditor::Impl::fill(std::size_t num_bytes) {
  while (typed.size() < num_bytes)
    if (!wait_for_bytes()) return false;
  return true;
}

// Whether the sequence comes next, whole; then it is consumed.
bool LineEditor::Impl::take(std::string_view sequence) {
  if (!typed.starts_with(sequence)) return false;
  typed.erase(0, sequence.size());
  return true;
}

// What libedit calls: 1 and a character, 0 at the end.
int LineEditor::Impl::next_character(wchar_t* character) {
  for (;;) {
    if (!fill(1)) return 0;
    if (!in_paste && take(kPasteBegin)) {
      in_paste = true;
      continue;
    }
    if (in_paste && take(kPasteEnd)) {
      in_paste = false;
      continue;
    }
    break;
  }
  const unsigned char first = static_cast<unsigned char>(typed[0]);
  const std::size_t length = first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (!fill(length)) return 0;
  if (std::mbrtowc(character, typed.data(), length, &state) > length) {  // no UTF-8
    state = {};
    *character = L'?';
  }
  typed.erase(0, length);
  if (in_paste && (*character == L'\r' || *character == L'\n')) *character = kPastedNewline;
  if (in_paste && *character == L'\t') *character = L' ';  // would ask for completion
  return 1;
}

void LineEditor::Impl::keep_history() {
  if (history_file.empty()) return;
  const mode_t before = ::umask(077);
  HistEvent event{};
  ::history(history, &event, H_SAVE, history_file.c_str());
  ::umask(before);
}

LineEditor::LineEditor(std::filesystem::path history, bool plain_terminal)
    : impl_(std::make_unique<Impl>()) {
  impl_->history_file = std::move(history);
  impl_->screen = ::isatty(STDERR_FILENO) ? stderr : stdout;  // stdout is for replies
  impl_->editor = ::el_init("pronk", stdin, impl_->screen, stderr);
  impl_->history = ::history_init();
  HistEvent event{};
  ::history(impl_->history, &event, H_SETSIZE, kHistoryEntries);
  ::history(impl_->history, &event, H_SETUNIQUE, 1);
  if (!impl_->history_file.empty()) {
    ::history(impl_->history, &event, H_LOAD, impl_->history_file.c_str());
    ::chmod(impl_->history_file.c_str(), 0600);
  }
  EditLine* editor = impl_->editor;
  ::el_set(editor, EL_CLIENTDATA, impl_.get());
  ::el_set(editor, EL_PROMPT, &Impl::show_prompt);
  ::el_set(editor, EL_GETCFN, &Impl::read_character);
  ::el_set(editor, EL_HIST, ::history, impl_->history);
  ::el_set(editor, EL_EDITOR, "emacs");
  ::el_set(editor, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  ::el_set(editor, EL_BIND, "^W", "ed-delete-prev-word", nullptr);
  ::el_set(editor, EL_BIND, "\\e[3~", "ed-delete-next-char", nullptr);
  ::el_set(editor, EL_BIND, "\\e[H", "ed-move-to-beg", nullptr);
  ::el_set(editor, EL_BIND, "\\e[F", "ed-move-to-end", nullptr);
  ::el_source(editor, nullptr);  // ~/.editrc
  if (plain_terminal) ::el_set(editor, EL_EDITMODE, 0);
}

LineEditor::~LineEditor() {
  ::el_end(impl_->editor);
  ::history_end(impl_->history);
}

LineEditor::Input LineEditor::read(const std::string& prompt) {
  impl_->prompt = prompt;
  impl_->interrupted = impl_->in_paste = false;
  int editing = 0;
  ::el_get(impl_->editor, EL_EDITMODE, &editing);
  const auto ask_for_pastes = [&](std::string_view sequence) {
    if (editing) std::fwrite(sequence.data(), 1, sequence.size(), impl_->screen);
    std::fflush(impl_->screen);
  };
  ask_for_pastes(kPasteOn);
  ::el_resize(impl_->editor);
  // Before the prompt shows: a Ctrl-D that a terminal takes before it is raw is lost.
  if (editing) ::el_set(impl_->editor, EL_PREP_TERM, 1);
  int num_characters = 0;
  const char* line = ::el_gets(impl_->editor, &num_characters);
  ask_for_pastes(kPasteOff);
  if (impl_->interrupted) return {Kind::kInterrupted, {}};
  if (!line || num_characters <= 0) return {Kind::kEnd, {}};
  std::string_view text(line);
  if (text.ends_with('\n')) text.remove_suffix(1);
  return {Kind::kLine, with_newlines_back(text)};
}

void LineEditor::remember(const std::string& entry) {
  HistEvent event{};
  ::history(impl_->history, &event, H_ENTER, entry.c_str());
  impl_->keep_history();
}

}  // namespace pronk::cli
