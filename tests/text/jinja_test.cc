#include "text/jinja.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "base/file.h"
#include "support.h"

namespace pronk {
namespace {

constexpr std::int64_t kNow = 1721988000;  // 26 Jul 2024 10:00

Result<Rendered> render_all(const std::string& source, const std::string& variables = "{}",
                            const JinjaLimits& limits = {}) {
  const JinjaTemplate compiled = PRONK_TRY(JinjaTemplate::parse(source, limits));
  const json::value parsed = PRONK_TRY(parse_json(variables));
  return compiled.render(parsed.get_object(), kNow);
}

// The text, or "error: ...".
std::string render(const std::string& source, const std::string& variables = "{}") {
  const Result<Rendered> rendered = render_all(source, variables);
  return rendered ? rendered->text : "error: " + rendered.error().message;
}

Code code_of(const std::string& source, const JinjaLimits& limits = {}) {
  const Result<Rendered> rendered = render_all(source, "{}", limits);
  return rendered ? Code::kInternal : rendered.error().code;
}

// The bytes that the template wrote stay, all others become '.'.
std::string own_bytes(const std::string& source, const std::string& variables) {
  const Result<Rendered> rendered = render_all(source, variables);
  if (!rendered) return "error: " + rendered.error().message;
  std::string shown(rendered->text.size(), '.');
  std::size_t last_end = 0;
  for (const ByteRange& range : rendered->from_template) {
    EXPECT_LT(range.begin, range.end);
    EXPECT_TRUE(range.begin > last_end || range.begin == 0) << "ranges touch or overlap";
    EXPECT_LE(range.end, rendered->text.size());
    last_end = range.end;
    for (std::size_t i = range.begin; i < range.end; ++i) shown[i] = rendered->text[i];
  }
  return shown;
}

// tests/data/templates/cases.json: what Jinja2 3.1.6 gave (tools/compare_templates.py --goldens);
// null where it raised.
TEST(Jinja, ANameThatABlockAssignsBeforeItReadsItIsUnsetInIt) {
  const auto shown = [](const std::string& source) {
    return render(source, R"({"s":"a","b":"BB","yes":true})");
  };
  const std::string loop = "{% for i in [1] %}[{{ s }}]{% endfor %}";
  EXPECT_EQ(shown(loop), "[a]");
  EXPECT_EQ(shown(loop + "{% set s = 1 %}"), "[]");
  EXPECT_EQ(shown(loop + "{% set s = 1 %}" + loop), "[][1]");
  EXPECT_EQ(shown(loop + "{{ s }}{% set s = 1 %}"), "[a]a");
  EXPECT_EQ(shown("{{ s }}" + loop + "{% set s = 1 %}"), "a[a]");
  EXPECT_EQ(shown(loop + "{% set s = s ~ 1 %}{{ s }}"), "[a]a1");
  EXPECT_EQ(shown(loop + "{% set ns = namespace(s=1) %}{% set ns.s = 2 %}"), "[a]");
  EXPECT_EQ(shown(loop + "{% macro s() %}{% endmacro %}"), "[]");
  // A branch of an `if` may not be taken.
  EXPECT_EQ(shown(loop + "{% if yes %}{% set s = 1 %}{% endif %}"), "[a]");
  EXPECT_EQ(shown(loop + "{% if yes %}{% set s = 1 %}{% elif yes %}{% set s = 3 %}{% else %}"
                         "{% set s = 2 %}{% endif %}"),
            "[a]");
  EXPECT_EQ(shown(loop + "{% set s = 1 %}{% if yes %}{% set s = 2 %}{% endif %}" + loop), "[][2]");
  // Of blocks within blocks, the one that assigns it decides, unless one around it mentions it.
  EXPECT_EQ(shown("{% filter upper %}" + loop + "{% set s = 1 %}{% endfilter %}"), "[]");
  EXPECT_EQ(shown("{{ s }}{% filter upper %}" + loop + "{% set s = 1 %}{% endfilter %}"), "a[A]");
  EXPECT_EQ(shown("{% filter upper %}{% filter replace(s, b) %}xay{% endfilter %}{% endfilter %}"
                  "{% set s = 3 %}"),
            "BBXBBABBYBB");
  EXPECT_EQ(shown("{% macro m(s) %}" + loop + "{% set s = 1 %}{% endmacro %}{{ m(5) }}"), "[5]");
  EXPECT_EQ(shown("{% for s in [7] %}" + loop + "{% set s = 1 %}{% endfor %}"), "[7]");
  EXPECT_EQ(shown("{% with s = 7 %}" + loop + "{% set s = 1 %}{% endwith %}"), "[7]");
}

TEST(Jinja, InternalsOfTheUndefinedAreUndefinedToo) {
  EXPECT_EQ(render("[{{ x.__class__ }}{{ x|attr('__doc__') }}]"), "[]");
  EXPECT_THAT(render("{{ x.y }}"), testing::HasSubstr("'x' is undefined"));
  EXPECT_THAT(render("{{ x['__class__'] }}"), testing::HasSubstr("'x' is undefined"));
}

TEST(Jinja, GivesWhatJinja2Gives) {
  const Result<std::string> text = read_file(test_data("templates/cases.json"));
  ASSERT_OK(text);
  const Result<json::value> cases = parse_json(*text);
  ASSERT_OK(cases);
  ASSERT_GT(cases->as_array().size(), 100u);
  for (const json::value& one : cases->as_array()) {
    const std::string source(one.at("template").as_string());
    const Result<JinjaTemplate> compiled = JinjaTemplate::parse(source);
    const Result<Rendered> rendered =
        compiled ? compiled->render(one.at("variables").as_object(), kNow) : compiled.error();
    if (one.at("expected").is_null())
      EXPECT_FALSE(rendered) << source << "\ngave " << rendered->text;
    else if (rendered)
      EXPECT_EQ(rendered->text, std::string(one.at("expected").as_string())) << source;
    else
      ADD_FAILURE() << source << "\n" << rendered.error().message;
  }
}

TEST(Jinja, GivesWhatJinja2GivesOnHuggingFacesCases) {
  PRONK_NEEDS_SHARED(path, "chat/hf_jinja_cases.json");
  const Result<std::string> text = read_file(path);
  ASSERT_OK(text);
  const Result<json::value> cases = parse_json(*text);
  ASSERT_OK(cases);
  int num_run = 0;
  for (const json::value& one : cases->as_array()) {
    if (one.at("needs_function").as_bool()) continue;
    ++num_run;
    const std::string source(one.at("template").as_string());
    const Result<JinjaTemplate> compiled = JinjaTemplate::parse(source);
    const Result<Rendered> rendered =
        compiled ? compiled->render(one.at("context").as_object(), kNow) : compiled.error();
    if (one.at("jinja2").is_null())
      continue;  // an error of the harness as often as of the template
    ASSERT_OK(rendered);
    EXPECT_EQ(rendered->text, std::string(one.at("jinja2").as_string())) << one.at("name");
  }
  EXPECT_GT(num_run, 100);
}

TEST(Jinja, KeepsWhichBytesTheTemplateWrote) {
  const std::string v = R"({"u": " <|x|> ", "l": ["<|x|>"], "d": {"k": "<|x|>"}})";
  EXPECT_EQ(own_bytes("<s>{{ u }}</s>", v), "<s>.......</s>");
  EXPECT_EQ(own_bytes("{{ '<s>' + u + '</s>' }}", v), "<s>.......</s>");
  EXPECT_EQ(own_bytes("{{ '<s>' ~ (u|trim) ~ '</s>' }}", v), "<s>.....</s>");
  EXPECT_EQ(own_bytes("{{ ('  <s>' + u)|trim }}", v), "<s>......");
  EXPECT_EQ(own_bytes("{{ ('<s>' + u)[1:6] }}", v), "s>...");
  EXPECT_EQ(own_bytes("{{ ('<s>' + u)[::-1] }}", v), ".......>s<");
  EXPECT_EQ(own_bytes("{{ (u ~ '<|y|>').upper() }}", v), ".......<|Y|>");
  EXPECT_EQ(own_bytes("{{ [u, '<s>']|tojson }}", v), ".............<s>..");
  EXPECT_EQ(own_bytes("{{ u.replace('x', '<s>') }}", v), "...<s>...");
  EXPECT_EQ(own_bytes("{{ '<s>'.join([u, u]) }}", v), ".......<s>.......");
  EXPECT_EQ(own_bytes("{{ (u + '<s>').split('|')[-1] }}", v), "..<s>");
  EXPECT_EQ(own_bytes("{% set b %}<s>{{ u }}{% endset %}{{ b }}{{ b|length }}", v), "<s>.........");
  EXPECT_EQ(own_bytes("{% macro m(a) %}<m>{{ a }}{% endmacro %}{{ m(u) }}", v), "<m>.......");
  EXPECT_EQ(own_bytes("{% filter trim %} {{ u }}<s>{% endfilter %}", v), "......<s>");
  EXPECT_EQ(own_bytes("{% for c in '<s>' + u|trim %}{{ c }}{% endfor %}", v), "<s>.....");
  EXPECT_EQ(own_bytes("{{ d }}", v), std::string(14, '.'));
  EXPECT_EQ(own_bytes("{{ '<s>%s' % u }}{{ '{}<s>'.format(1) }}", v), "<s>........<s>");
  EXPECT_EQ(own_bytes("{{ '<s>' * 2 }}{{ u|indent }}", v), "<s><s>.......");
  EXPECT_EQ(own_bytes("{{ 12 }}{{ true }}{{ none }}", v), "..........");
  EXPECT_EQ(own_bytes("{{ '<|e' ~ 'ot|>' }}", v), "<|eot|>");
  EXPECT_EQ(own_bytes("{{ bos_token }}{{ x }}", R"({"bos_token": "<s>", "x": "</s>"})"), "<s>....");
}

TEST(Jinja, PassesOnTheMessageOfRaiseException) {
  const Result<Rendered> raised = render_all("a{{ raise_exception('Roles must alternate!') }}");
  ASSERT_FALSE(raised);
  EXPECT_EQ(raised.error().code, Code::kFailed);
  EXPECT_EQ(raised.error().message, "Roles must alternate!");
}

TEST(Jinja, NamesTheLineOfAnError) {
  EXPECT_EQ(render("a\nb{{ x.y }}"), "error: line 2: 'x' is undefined");
  EXPECT_EQ(render("{% if true %}\n\n{{ 1 + }}{% endif %}"), "error: line 3: unexpected '}}'");
  EXPECT_EQ(render("\n{{ {}.a.b }}"), "error: line 2: 'dict object' has no attribute 'a'");
  EXPECT_EQ(render("x\n{% for %}"), "error: line 2: unexpected '%}'");
}

TEST(Jinja, RefusesWhatJinja2RefusesAtCompileTime) {
  for (const char* source : {"{{ x|nosuch }}",
                             "{{ x is nosuch }}",
                             "{% break %}",
                             "{% nosuch %}",
                             "{{ 'a }}",
                             "{{ a",
                             "{% if x %}",
                             "{% endif %}",
                             "{# open",
                             "{% raw %}x",
                             "{{ (1 }}",
                             "{{ 1 ) }}",
                             "{{ }}",
                             "{% set 1 = 2 %}",
                             "{% set true = 2 %}",
                             "{% for x in y %}{% set loop = 1 %}{% endfor %}",
                             "{{ f(a=1, 2) }}",
                             "{{ f(a=1, a=2) }}",
                             "{{ x is a is b }}",
                             "{% macro m(a=1, b) %}"})
    EXPECT_EQ(code_of(source), Code::kInvalidArgument) << source;
}

TEST(Jinja, HandsOutNothingInternal) {
  EXPECT_EQ(render("{{ ''.__class__ }}"), "");
  EXPECT_THAT(render("{{ ''.__class__.__mro__ }}"), testing::StartsWith("error: line 1: access"));
  EXPECT_THAT(render("{{ [].append(1) }}"), testing::HasSubstr("is unsafe"));
  EXPECT_THAT(render("{{ {}.update({}) }}"), testing::HasSubstr("is unsafe"));
  EXPECT_THAT(render("{% set n = namespace(_a=1) %}"), testing::HasSubstr("underscore"));
}

// Minutes, if each `if` or each name cost what all names before it are.
TEST(Jinja, ManyNamesAndBranchesTakeTimeInProportion) {
  std::string source;
  for (int i = 0; i < 20'000; ++i) source += fmt::format("{{% set a{} = 1 %}}", i);
  for (int i = 0; i < 20'000; ++i) source += "{% if x %}{% set y = 1 %}{% endif %}";
  EXPECT_EQ(render(source + "{{ a19999 }}"), "1");
}

TEST(Jinja, BoundsTimeOutputAndDepth) {
  const auto exhausts = [](const std::string& source) {
    EXPECT_EQ(code_of(source, {.max_steps = 1'000'000}), Code::kResourceExhausted)
        << source.substr(0, 80);
  };
  exhausts("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}");
  exhausts("{{ 'x' * 999999999 }}");
  std::string assignments;
  for (int i = 0; i < 200; ++i) assignments += fmt::format("{{% set a{} = 1 %}}", i);
  exhausts("{% for i in range(9999) %}{% continue %}" + assignments + "{% endfor %}");
  exhausts(
      "{% set n = namespace(s='xx') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}"
      "{% endfor %}");
  exhausts(
      "{% set n = namespace(s=[1]) %}{% for i in range(99) %}{% set n.s = n.s + n.s %}"
      "{% endfor %}");
  exhausts(
      "{% set n = namespace(s=[1]) %}{% for i in range(9999) %}{% set n.s = [n.s] %}"
      "{% endfor %}");
  exhausts(
      "{% set n = namespace(s=[1]) %}{% for i in range(9999) %}"
      "{% set n.s = n.s|map('upper') %}{% endfor %}");
  exhausts(
      "{% set n = namespace(s=[1]) %}{% for i in range(99) %}{% set n.s = [n.s, n.s] %}"
      "{% endfor %}{{ n.s }}");
  exhausts("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}");
  exhausts("{% for x in [1] recursive %}{{ loop([x]) }}{% endfor %}");
  exhausts("{{ 'x'|indent(99999999) }}");
  exhausts("{{ 'x'|center(99999999) }}");
  exhausts("{{ 'x'.ljust(999999999) }}");
  exhausts("{{ " + std::string(5000, '(') + "1" + std::string(5000, ')') + " }}");
  exhausts("{{ " + std::string(5000, '-') + "1 }}");
  std::string filters, ifs;
  for (int i = 0; i < 5000; ++i) {
    filters += "|list";
    ifs += "{% if 1 %}";
  }
  exhausts("{{ x" + filters + " }}");
  exhausts(ifs);
}

TEST(Jinja, TakesLongChainsOfOperators) {
  std::string sum = "{{ 0", text = "{{ 'a'";
  for (int i = 0; i < 5000; ++i) {
    sum += " + 1";
    text += " ~ 'b'";
  }
  EXPECT_EQ(render(sum + " }}"), "5000");
  EXPECT_EQ(render(text + " }}").size(), 5001u);
}

TEST(Jinja, FreesObjectsThatReferToEachOther) {  // for the leak checker
  EXPECT_EQ(render("{% set n = namespace() %}{% set n.n = n %}{% macro m() %}{% endmacro %}"
                   "{% set n.m = m %}{% for x in [1] %}{% set n.l = loop %}"
                   "{{ loop.changed(loop) }}{% endfor %}{{ n.l.changed(n.l, n) }}"),
            "TrueTrue");
}

TEST(Jinja, IntegersBeyond128BitsAreAnError) {
  EXPECT_EQ(render("{{ x }}", R"({"x": 18446744073709551615})"), "18446744073709551615");
  EXPECT_EQ(render("{{ 2 ** 126 }}"), "85070591730234615865843651857942052864");
  EXPECT_EQ(render("{{ 2 ** 127 }}"), "error: line 1: an integer beyond 128 bits");
  EXPECT_EQ(render("{{ 10 ** 30 * 10 ** 30 }}"), "error: line 1: an integer beyond 128 bits");
}

TEST(Jinja, TellsTheTimeItIsGiven) {
  EXPECT_EQ(render("{{ strftime_now('%d %b %Y %H:%M:%S') }}"), "26 Jul 2024 10:00:00");
}

TEST(Jinja, SurvivesATemplateCutAnywhere) {
  const std::string source =
      "{%- macro m(a, b=1) -%}{{ a|default('x')|tojson(indent=2) ~ b }}{%- endmacro %}"
      "{# c #}{% for k, v in d.items() if v is not none %}{{ loop.index }}{{ k[1:-1] }}"
      "{% else %}{% raw %}{{ }}{% endraw %}{% endfor %}{% call m('\\u00e9') %}{% endcall %}"
      "{% set n = namespace(a=[1, (2,), {'k': -1.5e3}]) %}{% if n.a[0] == 1 %}é中🤗{% endif %}";
  for (std::size_t size = 0; size <= source.size(); ++size) {
    const Result<Rendered> rendered = render_all(source.substr(0, size), R"({"d": {"key": 1}})");
    if (!rendered) {
      EXPECT_FALSE(rendered.error().message.empty());
    }
  }
}

}  // namespace
}  // namespace pronk
