#include "formats/pickle.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "base/bytes.h"

namespace pronk {

using Kind = PickleValue::Kind;

namespace {

constexpr std::size_t kMaxBytes = 64u << 20;  // a checkpoint's pickle is some 100 KB,
constexpr std::size_t kMaxValues = 1u << 21;  // and has some 20 values a tensor

// Opcodes, named as in Python's pickletools.
enum Op : std::uint8_t {
  kMark = '(',
  kStop = '.',
  kPop = '0',
  kPopMark = '1',
  kBinFloat = 'G',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kNoneOp = 'N',
  kBinPersId = 'Q',
  kReduce = 'R',
  kBinString = 'T',
  kShortBinString = 'U',
  kBinUnicode = 'X',
  kAppend = 'a',
  kBuild = 'b',
  kGlobalOp = 'c',
  kDictOp = 'd',
  kAppends = 'e',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kListOp = 'l',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kSetItem = 's',
  kTuple = 't',
  kSetItems = 'u',
  kEmptyTuple = ')',
  kEmptyList = ']',
  kEmptyDict = '}',
  kProto = 0x80,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kLong1 = 0x8a,
  kShortBinUnicode = 0x8c,
  kStackGlobal = 0x93,
  kMemoize = 0x94,
  kFrame = 0x95
};

// What REDUCE may "call": nothing runs, the arguments become a value of a kind of ours.
constexpr std::string_view kRebuildTensor[] = {"torch._utils._rebuild_tensor_v2",
                                               "torch._utils._rebuild_tensor_v3"};
constexpr std::string_view kRebuildParameter = "torch._utils._rebuild_parameter";
constexpr std::string_view kOrderedDict = "collections.OrderedDict";
constexpr std::string_view kStorageTypes[] = {
    "torch.FloatStorage", "torch.HalfStorage", "torch.BFloat16Storage",       "torch.DoubleStorage",
    "torch.ByteStorage",  "torch.CharStorage", "torch.ShortStorage",          "torch.IntStorage",
    "torch.LongStorage",  "torch.BoolStorage", "torch.storage.UntypedStorage"};
constexpr std::string_view kTorchTypes[] = {"torch.float32",  "torch.float16",
                                            "torch.bfloat16", "torch.float8_e4m3fn",
                                            "torch.uint8",    "torch.int8"};

bool among(std::string_view name, std::span<const std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_harmless(std::string_view name) {
  return name == kOrderedDict || name == kRebuildParameter || among(name, kRebuildTensor) ||
         among(name, kStorageTypes) || among(name, kTorchTypes);
}

}  // namespace

// The stack machine. Every opcode makes at most one value.
class PickleMachine {
 public:
  explicit PickleMachine(std::span<const std::byte> bytes) : in_(bytes) {}

  Result<Pickle> run() {
    for (;;) {
      const std::size_t at = in_.position();
      const auto op = PRONK_TRY_IN("pickle", in_.number<std::uint8_t>());
      if (op == kStop) break;
      PRONK_TRY_IN(fmt::format("pickle byte {}", at), step(op));
      if (pickle_.values_.size() > kMaxValues)
        return error(
            Code::kResourceExhausted,
            fmt::format("pickle: more than {} values; this is no checkpoint of a Llama model",
                        kMaxValues));
    }
    pickle_.root_ = PRONK_TRY_IN("pickle", pop());
    return std::move(pickle_);
  }

 private:
  using Values = std::vector<const PickleValue*>;

  static Error corrupt(std::string what) { return error(Code::kCorruptData, std::move(what)); }

  PickleValue* make(Kind kind) {
    pickle_.values_.emplace_back();
    pickle_.values_.back().kind = kind;
    return &pickle_.values_.back();
  }

  Status push(PickleValue* value) {
    stack_.push_back(value);
    return Ok{};
  }
  Status push_int(std::int64_t integer, Kind kind = Kind::kInt) {
    PickleValue* value = make(kind);
    value->integer = integer;
    return push(value);
  }
  Status push_text(std::uint64_t size) {
    const std::string_view text = PRONK_TRY(in_.text(size));
    PickleValue* value = make(Kind::kString);
    value->text = text;
    return push(value);
  }
  Status push_sequence(Values items) {
    PickleValue* value = make(Kind::kSequence);
    value->items = std::move(items);
    return push(value);
  }

  // The lowest place that may be popped: what lies under the last mark belongs to it.
  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  Result<PickleValue*> pop() {
    if (stack_.size() <= floor()) return corrupt("the stack is empty");
    PickleValue* value = stack_.back();
    stack_.pop_back();
    return value;
  }
  Result<PickleValue*> top(Kind kind) {
    if (stack_.size() <= floor() || !stack_.back()->is(kind))
      return corrupt("a list or dictionary is expected on the stack");
    return stack_.back();
  }
  Result<Values> pop_count(std::size_t count) {
    if (stack_.size() < floor() + count) return corrupt("the stack is empty");
    Values values(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    return values;
  }
  Result<Values> pop_to_mark() {
    if (marks_.empty()) return corrupt("there is no mark");
    Values values = PRONK_TRY(pop_count(stack_.size() - marks_.back()));
    marks_.pop_back();
    return values;
  }

  Status put(std::uint64_t key) {
    if (stack_.size() <= floor()) return corrupt("the stack is empty");
    memo_[key] = stack_.back();
    return Ok{};
  }
  Status get(std::uint64_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) return corrupt(fmt::format("memo {} is empty", key));
    return push(found->second);
  }

  Status append(Values items, Kind kind) {
    PickleValue* target = PRONK_TRY(top(kind));
    if (kind == Kind::kDict && items.size() % 2 != 0) return corrupt("a key has no value");
    target->items.insert(target->items.end(), items.begin(), items.end());
    return Ok{};
  }

  Status push_global(std::string_view module, std::string_view name) {
    PickleValue* value = make(Kind::kGlobal);
    value->text = fmt::format("{}.{}", module, name);
    if (!is_harmless(value->text))
      return error(Code::kUnsupported,
                   fmt::format("the file wants to use '{}'; only tensors in plain dictionaries are "
                               "read, and nothing is executed",
                               value->text));
    return push(value);
  }

  Result<std::string_view> line() {
    const std::size_t begin = in_.position();
    constexpr std::size_t kMaxLine = 1024;
    for (std::size_t n = 0; n < kMaxLine; ++n)
      if (PRONK_TRY(in_.number<char>()) == '\n') return in_.text_between(begin, begin + n);
    return corrupt("a name without an end");
  }

  Status reduce() {
    const PickleValue* arguments = PRONK_TRY(pop());
    const PickleValue* callable = PRONK_TRY(pop());
    if (!callable->is(Kind::kGlobal) || !arguments->is(Kind::kSequence))
      return corrupt("a call of something that is no function");
    if (callable->text == kOrderedDict) {
      if (!arguments->items.empty()) return corrupt("an OrderedDict with arguments");
      return push(make(Kind::kDict));
    }
    if (callable->text == kRebuildParameter) {
      if (arguments->items.empty() || !arguments->items[0]->is(Kind::kTensor))
        return corrupt("a parameter that is no tensor");
      return push(const_cast<PickleValue*>(arguments->items[0]));
    }
    if (!among(callable->text, kRebuildTensor))
      return error(Code::kUnsupported, fmt::format("the file wants to call '{}'", callable->text));
    constexpr std::size_t kMaxArguments = 16;  // they are copied
    if (arguments->items.size() > kMaxArguments) return corrupt("a tensor of too many arguments");
    PickleValue* tensor = make(Kind::kTensor);
    tensor->items = arguments->items;
    return push(tensor);
  }

  // torch's state dictionaries carry attributes (_metadata); they are dropped.
  Status build() {
    PRONK_TRY(pop());
    PRONK_TRY(top(Kind::kDict));
    return Ok{};
  }

  Status persistent_id() {
    const PickleValue* id = PRONK_TRY(pop());
    if (!id->is(Kind::kSequence) || id->items.size() < 5 || id->items.size() > 8 ||
        !id->items[0]->is(Kind::kString) || id->items[0]->text != "storage" ||
        !id->items[1]->is(Kind::kGlobal) || !among(id->items[1]->text, kStorageTypes) ||
        !id->items[2]->is(Kind::kString) || !id->items[4]->is(Kind::kInt))
      return corrupt("a persistent id that is no storage");
    PickleValue* storage = make(Kind::kStorage);
    storage->items = id->items;
    return push(storage);
  }

  // An integer of up to 8 bytes, two's complement.
  Status long_integer() {
    const auto size = PRONK_TRY(in_.number<std::uint8_t>());
    const auto bytes = PRONK_TRY(in_.take(size));
    if (size > 8) return corrupt(fmt::format("an integer of {} bytes", size));
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < 8; ++i) {
      const bool negative = size > 0 && (std::to_integer<unsigned>(bytes.back()) & 0x80);
      const std::uint64_t byte =
          i < size ? std::to_integer<std::uint64_t>(bytes[i]) : (negative ? 0xffu : 0u);
      value |= byte << (8 * i);
    }
    return push_int(static_cast<std::int64_t>(value));
  }

  Status big_endian_real() {
    const auto bits = PRONK_TRY(in_.number<std::uint64_t>());
    PickleValue* value = make(Kind::kFloat);
    value->real = std::bit_cast<double>(__builtin_bswap64(bits));
    return push(value);
  }

  Status step(std::uint8_t op) {
    switch (op) {
      case kProto:
        return discard(PRONK_TRY(in_.take(1)));
      case kFrame:
        return discard(PRONK_TRY(in_.take(8)));
      case kMark:
        marks_.push_back(stack_.size());
        return Ok{};
      case kPop:
        return discard(PRONK_TRY(pop()));
      case kPopMark:
        return discard(PRONK_TRY(pop_to_mark()));
      case kNoneOp:
        return push(make(Kind::kNone));
      case kNewTrue:
        return push_int(1, Kind::kBool);
      case kNewFalse:
        return push_int(0, Kind::kBool);
      case kBinInt:
        return push_int(PRONK_TRY(in_.number<std::int32_t>()));
      case kBinInt1:
        return push_int(PRONK_TRY(in_.number<std::uint8_t>()));
      case kBinInt2:
        return push_int(PRONK_TRY(in_.number<std::uint16_t>()));
      case kLong1:
        return long_integer();
      case kBinFloat:
        return big_endian_real();
      case kBinUnicode:
      case kBinString:
        return push_text(PRONK_TRY(in_.number<std::uint32_t>()));
      case kShortBinUnicode:
      case kShortBinString:
        return push_text(PRONK_TRY(in_.number<std::uint8_t>()));
      case kEmptyTuple:
      case kEmptyList:
        return push_sequence({});
      case kEmptyDict:
        return push(make(Kind::kDict));
      case kTuple1:
      case kTuple2:
      case kTuple3:
        return push_sequence(PRONK_TRY(pop_count(std::size_t{op} - kTuple1 + 1)));
      case kTuple:
      case kListOp:
        return push_sequence(PRONK_TRY(pop_to_mark()));
      case kDictOp:
        return push_dict(PRONK_TRY(pop_to_mark()));
      case kAppend:
        return append(PRONK_TRY(pop_count(1)), Kind::kSequence);
      case kAppends:
        return append(PRONK_TRY(pop_to_mark()), Kind::kSequence);
      case kSetItem:
        return append(PRONK_TRY(pop_count(2)), Kind::kDict);
      case kSetItems:
        return append(PRONK_TRY(pop_to_mark()), Kind::kDict);
      case kBinPut:
        return put(PRONK_TRY(in_.number<std::uint8_t>()));
      case kLongBinPut:
        return put(PRONK_TRY(in_.number<std::uint32_t>()));
      case kMemoize:
        return put(memo_.size());
      case kBinGet:
        return get(PRONK_TRY(in_.number<std::uint8_t>()));
      case kLongBinGet:
        return get(PRONK_TRY(in_.number<std::uint32_t>()));
      case kGlobalOp: {
        const std::string_view module = PRONK_TRY(line());
        const std::string_view name = PRONK_TRY(line());
        return push_global(module, name);
      }
      case kStackGlobal: {
        const Values names = PRONK_TRY(pop_count(2));
        return push_global(names[0]->text, names[1]->text);
      }
      case kReduce:
        return reduce();
      case kBuild:
        return build();
      case kBinPersId:
        return persistent_id();
      default:
        return error(Code::kUnsupported,
                     fmt::format("opcode 0x{:02x} is not needed for tensors and not run", op));
    }
  }

  template <class T>
  static Status discard(const T&) {
    return Ok{};
  }

  Status push_dict(Values items) {
    if (items.size() % 2 != 0) return corrupt("a key has no value");
    PickleValue* value = make(Kind::kDict);
    value->items = std::move(items);
    return push(value);
  }

  ByteReader in_;
  Pickle pickle_;
  std::vector<PickleValue*> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, PickleValue*> memo_;
};

Result<Pickle> Pickle::parse(std::span<const std::byte> bytes) {
  if (bytes.size() > kMaxBytes)
    return error(Code::kResourceExhausted,
                 fmt::format("pickle: {} bytes, {} are allowed", bytes.size(), kMaxBytes));
  return PickleMachine(bytes).run();
}

}  // namespace pronk
