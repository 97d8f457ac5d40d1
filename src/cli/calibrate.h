// What a step of a model takes at least on this machine: what `plan` and `bench` compare with.
#pragma once
#include "formats/model_source.h"
#include "kernels/calibrate.h"
#include "model/plan.h"
#include "pronk/model.h"

namespace pronk::cli {

// Of the kernels in use. Keeps num_threads threads busy for about a second.
kernels::Peaks measure_machine(int num_threads);

// What most of the model's weights are multiplied with.
kernels::ActivationKind main_activation_kind(const ModelSource& source, Precision precision);

// Seconds that a step takes at least: its bytes through the memory, its operations through the
// cores, whichever is longer.
double least_seconds(const StepCost& cost, kernels::ActivationKind kind,
                     const kernels::Peaks& peaks);

}  // namespace pronk::cli
