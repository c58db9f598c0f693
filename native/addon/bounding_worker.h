// What calls that bound rows have in common: the problem, and the way from what the optimiser believes to
// what is proven.
#pragma once

#include <set>
#include <string>

#include "addon/problem_arguments.h"
#include "addon/work.h"
#include "verdict/proven.h"

namespace bulwark::addon {

/// (network, region, rows, options, control)
class BoundingWorker : public PromiseWorker {
 protected:
  BoundingWorker(const Napi::CallbackInfo& info, SharedModel model, SharedEngine engine);

  /// Without a proof: the engine's float32 bounds.
  virtual void believe(const Prepared&, Workers&, const StopCheck&, const bulwark::Progress&) = 0;
  virtual void prove(const ProvenBounds&) = 0;
  /// An object with the notes of the call, if there are any.
  Napi::Object outcome(Napi::Env env) const;

  const SharedModel model_;
  Region region_;
  Specification specification_;
  BoundsOptions options_;
  std::optional<ProofOptions> proof_;

 private:
  void execute() final;

  const SharedEngine engine_;
  std::set<std::string> notes_;
};

}  // namespace bulwark::addon
