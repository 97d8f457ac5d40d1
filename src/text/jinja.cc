#include "text/jinja.h"

#include "text/jinja_eval.h"
#include "text/jinja_parser.h"

namespace pronk {

struct JinjaTemplate::Impl {
  jinja::Body body;
  JinjaLimits limits;
};

Result<JinjaTemplate> JinjaTemplate::parse(std::string_view source, const JinjaLimits& limits) {
  auto impl = std::make_shared<Impl>();
  impl->limits = limits;
  impl->body = PRONK_TRY(jinja::parse_template(source, limits.max_depth));
  return JinjaTemplate(std::move(impl));
}

Result<Rendered> JinjaTemplate::render(const json::object& variables, std::int64_t now) const {
  jinja::Evaluator evaluator(impl_->limits, now);
  jinja::Text text = PRONK_TRY(evaluator.render(impl_->body, variables));
  auto [bytes, own] = std::move(text).release();
  return Rendered{std::move(bytes), std::move(own)};
}

}  // namespace pronk
