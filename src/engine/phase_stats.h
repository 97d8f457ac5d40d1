// How a step's work is counted for a phase: by the engine, and by whoever times steps without one.
#pragma once
#include "kernels/calibrate.h"
#include "ops/plan_ops.h"
#include "pronk/engine.h"

namespace pronk {

// Adds `share` (of 1) of a step: what it computes and reads, and the least that it takes.
void add_step(PhaseStats& phase, const StepCost& cost, const kernels::Peaks& peaks,
              double share = 1);

}  // namespace pronk
