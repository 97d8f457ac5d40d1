// What a step of a model takes at least on this machine: what `plan` and `bench` compare with.
#pragma once
#include <string_view>

#include "formats/model_source.h"
#include "kernels/calibrate.h"
#include "model/plan.h"
#include "pronk/model.h"

namespace pronk::cli {

// Of the kernels in use. Keeps num_threads threads busy for about a second.
kernels::Peaks measure_machine(int num_threads);

// What most of the model's weights are multiplied with.
kernels::ActivationKind main_activation_kind(const ModelSource& source, Precision precision);

// What a step takes at least: its bytes through the memory or its operations through the cores,
// whichever is longer.
struct Bound {
  double seconds = 0;
  std::string_view by;  // "memory" or "compute"
};
Bound bound_of(const StepCost& cost, kernels::ActivationKind kind, const kernels::Peaks& peaks);

}  // namespace pronk::cli
