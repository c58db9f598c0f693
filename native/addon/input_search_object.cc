#include "addon/input_search_object.h"

#include <cmath>
#include <utility>

#include "addon/problem_arguments.h"

namespace bulwark::addon {

namespace {

InputProblem readProblem(const Fields& fields, const Model& model) {
  const auto inputs = static_cast<size_t>(model.network.inputSize());
  const auto outputs = static_cast<size_t>(model.network.outputSize());
  InputProblem problem;
  problem.box.lower = toStored(fields.doubles("lower", inputs), model.inputOrder);
  problem.box.upper = toStored(fields.doubles("upper", inputs), model.inputOrder);
  for (size_t i = 0; i < inputs; ++i) {
    const double low = problem.box.lower[i], high = problem.box.upper[i];
    if (!(low <= high) || std::isinf(low) || std::isinf(high))
      throw fields.wrong("lower", "finite numbers, none above those of upper");
  }
  const auto rowCount = static_cast<size_t>(fields.integer("rowCount", 0));
  const std::vector<double> c = toStored(fields.doubles("c", rowCount * outputs), model.outputOrder);
  const std::vector<double> d = fields.doubles("d", rowCount);
  for (size_t row = 0; row < rowCount; ++row) {
    proof::Claim claim;
    const auto begin = c.begin() + static_cast<ptrdiff_t>(row * outputs);
    claim.row.assign(begin, begin + static_cast<ptrdiff_t>(outputs));
    claim.constant = d[row];
    problem.rows.push_back(std::move(claim));
  }
  const std::vector<int32_t> terms = fields.int32s("terms");
  for (size_t at = 0; at < terms.size();) {
    const int32_t count = terms[at++];
    if (count < 0 || static_cast<size_t>(count) > terms.size() - at)
      throw fields.wrong("terms", "each term as its number of rows and these rows");
    problem.terms.emplace_back(terms.begin() + static_cast<ptrdiff_t>(at),
                               terms.begin() + static_cast<ptrdiff_t>(at) + count);
    at += static_cast<size_t>(count);
    for (const int row : problem.terms.back()) {
      if (row < 0 || static_cast<size_t>(row) >= rowCount) throw fields.wrong("terms", "rows of the problem");
    }
  }
  return problem;
}

std::vector<double> reordered(const std::vector<double>& values, const std::vector<int32_t>& order) {
  std::vector<double> out;
  for (const int32_t position : order) out.push_back(values[position]);
  return out;
}

class AdvanceWorker final : public PromiseWorker {
 public:
  AdvanceWorker(const Napi::CallbackInfo& info, std::shared_ptr<OpenSearch> search, SharedEngine engine)
      : PromiseWorker(info.Env(), Control::read(info, 2)),
        search_(std::move(search)),
        engine_(std::move(engine)) {
    const Fields options(objectArgument(info, 1, "options"), "options");
    rounds_ = options.integer("rounds", 1);
    timeLimit_ = options.number("timeLimit");
    if (search_->busy.exchange(true)) throw argumentError(info.Env(), "search: another call is under way");
  }
  ~AdvanceWorker() override { release(); }

 private:
  void execute() override {
    struct Release {
      AdvanceWorker& worker;
      ~Release() { worker.release(); }
    } const released{*this};
    const StopCheck stop = withTimeLimit([this] { return cancelled(); }, timeLimit_);
    if (!search_->search && !open(stop)) return;
    report_ = search_->search->advance(engine_->pool, stop, rounds_);
    boxes_ = search_->search->boxes();
  }

  /// Before the caller hears of the end: it may go on at once.
  void release() {
    if (std::exchange(claimed_, false)) search_->busy = false;
  }

  /// False where the time ended first.
  bool open(const StopCheck& stop) {
    const std::optional<ProofModel> model = search_->model->proof(false, stop, onPool(engine_->pool));
    if (!model) return false;
    std::vector<InputProblem> problems = std::move(search_->problems);
    for (InputProblem& problem : problems) {
      problem.box.lower = reordered(problem.box.lower, model->input);
      problem.box.upper = reordered(problem.box.upper, model->input);
      for (proof::Claim& claim : problem.rows) claim.row = reordered(claim.row, model->output);
    }
    search_->input = model->input;
    search_->search = std::make_unique<InputSearch>(model->network, search_->arithmetic, std::move(problems));
    return true;
  }

  Napi::Value result(Napi::Env env) override {
    const auto state = [&] {
      switch (report_.state) {
        case InputSearch::State::refuted:
          return "refuted";
        case InputSearch::State::stuck:
          return "stuck";
        case InputSearch::State::full:
          return "full";
        default:
          return "open";
      }
    };
    Napi::Array candidates = Napi::Array::New(env);
    for (const InputSearch::Candidate& candidate : report_.candidates) {
      std::vector<double> x(candidate.x.size());
      for (size_t i = 0; i < x.size(); ++i) x[search_->input[i]] = candidate.x[i];
      Napi::Object entry = Napi::Object::New(env);
      entry.Set("problem", candidate.problem);
      entry.Set("x", float64Array(env, toOnnx(x, search_->model->inputOrder)));
      candidates.Set(candidates.Length(), entry);
    }
    Napi::Object out = Napi::Object::New(env);
    out.Set("state", state());
    out.Set("candidates", candidates);
    out.Set("boxes", static_cast<double>(boxes_));
    return out;
  }

  const std::shared_ptr<OpenSearch> search_;
  const SharedEngine engine_;
  bool claimed_ = true;
  int rounds_ = 1;
  double timeLimit_ = 0;
  InputSearch::Report report_;
  int64_t boxes_ = 0;
};

}  // namespace

InputSearchObject::InputSearchObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<InputSearchObject>(info) {
  search_->model = modelArgument(info);
  if (info.Length() < 2 || !info[1].IsArray())
    throw argumentError(info.Env(), "createInputSearch: expected an array of problems");
  const auto problems = info[1].As<Napi::Array>();
  for (uint32_t i = 0; i < problems.Length(); ++i) {
    const Napi::Value each = problems.Get(i);
    const std::string where = "problems[" + std::to_string(i) + "]";
    if (!each.IsObject()) throw argumentError(info.Env(), where + ": expected a problem");
    search_->problems.push_back(readProblem(Fields(each.As<Napi::Object>(), where), *search_->model));
  }
  const Fields options(objectArgument(info, 2, "options"), "options");
  search_->arithmetic = options.choice<proof::Arithmetic>(
      "assurance", {{"real", proof::Arithmetic::real}, {"float32", proof::Arithmetic::float32}});
}

Napi::Function InputSearchObject::define(Napi::Env env) { return DefineClass(env, "InputSearch", {}); }

PromiseWorker* advanceWork(const Napi::CallbackInfo& info, SharedEngine engine) {
  const Napi::Object object = objectArgument(info, 0, "search");
  if (!object.InstanceOf(instanceOf(info.Env()).inputSearch.Value()))
    throw argumentError(info.Env(), "search: expected a search of createInputSearch()");
  return new AdvanceWorker(info, Napi::ObjectWrap<InputSearchObject>::Unwrap(object)->search(),
                           std::move(engine));
}

}  // namespace bulwark::addon
