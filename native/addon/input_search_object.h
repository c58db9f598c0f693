// `createInputSearch(network, problems, assurance): NativeInputSearch`: branch and bound on the inputs, which
// `engine.advance` takes on; and the call itself.
#pragma once

#include <napi.h>

#include <atomic>
#include <memory>
#include <vector>

#include "addon/work.h"
#include "search/input_search.h"

namespace bulwark::addon {

/// A search with the model that it is about.
struct OpenSearch {
  SharedModel model;
  proof::Arithmetic arithmetic = proof::Arithmetic::real;
  std::vector<InputProblem> problems;   // in the engine's order, until the search is made
  std::vector<int32_t> input;           // as in ProofModel
  std::unique_ptr<InputSearch> search;  // made by the first call, off the JavaScript thread
  std::atomic<bool> busy = false;
};

class InputSearchObject : public Napi::ObjectWrap<InputSearchObject> {
 public:
  explicit InputSearchObject(const Napi::CallbackInfo& info);

  static Napi::Function define(Napi::Env env);
  const std::shared_ptr<OpenSearch>& search() const { return search_; }

 private:
  const std::shared_ptr<OpenSearch> search_ = std::make_shared<OpenSearch>();
};

/// (search, options, control)
PromiseWorker* advanceWork(const Napi::CallbackInfo& info, SharedEngine engine);

}  // namespace bulwark::addon
