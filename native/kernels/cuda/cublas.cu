#include "kernels/cuda.h"
#include "kernels/cuda/cublas.h"
#include "kernels/cuda/elementwise.h"
#include "kernels/cuda/fastest.h"

#ifndef _WIN32
#include <dlfcn.h>
#endif

namespace bulwark::BULWARK_CUDA {
namespace {

constexpr int kNotTransposed = 0, kTransposed = 1;
constexpr int kPedanticMath = 2;  // not even where an environment variable asks for tensor cores
/// What NVIDIA recommends for compute capability 9.0; elsewhere less would do.
constexpr size_t kWorkspace = size_t{32} << 20;

#ifndef _WIN32
template <typename Function>
bool find(void* library, const char* name, Function& function, std::string& absence) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (!function) absence += std::string(" without ") + name + ";";
  return function != nullptr;
}
#endif

}  // namespace

CublasLibrary loadCublas(const std::vector<std::string>& names) {
  CublasLibrary made;
#ifdef _WIN32
  made.absence = "not looked for on Windows";
#else
  for (const std::string& name : names) {
    void* const library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) {
      const char* const why = dlerror();
      made.absence += std::string(made.absence.empty() ? "" : " ") + (why ? why : name.c_str()) + ";";
      continue;
    }
    CublasFunctions& f = made.functions;
    made.absence += std::string(made.absence.empty() ? "" : " ") + name;
    if (find(library, "cublasCreate_v2", f.create, made.absence) &&
        find(library, "cublasDestroy_v2", f.destroy, made.absence) &&
        find(library, "cublasSetStream_v2", f.setStream, made.absence) &&
        find(library, "cublasSetWorkspace_v2", f.setWorkspace, made.absence) &&
        find(library, "cublasSetMathMode", f.setMathMode, made.absence) &&
        find(library, "cublasSgemmStridedBatched", f.multiply, made.absence)) {
      made.absence.clear();  // and the library stays
      return made;
    }
    f = {};
    dlclose(library);
  }
#endif
  return made;
}

Cublas::Cublas(const CublasFunctions& functions, const Stream& stream)
    : functions_(functions), workspace_(stream.memory(), kWorkspace) {
  call(functions_.create(&handle_), "cublasCreate");
  try {
    call(functions_.setMathMode(handle_, kPedanticMath), "cublasSetMathMode");
    serve(stream);
  } catch (...) {
    functions_.destroy(handle_);
    throw;
  }
}

// A handle without memory of its own takes some for every stream that is captured, and may add the taking to
// the graph. To set a stream takes that memory away again, so it comes second.
void Cublas::serve(const Stream& stream) {
  call(functions_.setStream(handle_, stream.get()), "cublasSetStream");
  call(functions_.setWorkspace(handle_, workspace_.data(), kWorkspace), "cublasSetWorkspace");
}

void Cublas::call(int status, const char* what) const {
  if (status != 0) throw DeviceError(std::string(what) + ": status " + std::to_string(status));
}

// A block of rows [feature][row] is a matrix by columns, a row of it one row of the batch; so is out^T =
// in^T W^T, where the weights are given as W^T by rows.
void Cublas::multiply(View in, const float* weights, int weightRow, View out, bool accumulate) {
  const float one = 1, before = accumulate ? 1 : 0;
  call(functions_.multiply(handle_, kNotTransposed, kTransposed, kLanes, out.features, in.features, &one,
                           in.data, kLanes, static_cast<long long>(blockFloats(in)), weights, weightRow, 0,
                           &before, out.data, kLanes, static_cast<long long>(blockFloats(out)), in.blocks),
       "cublasSgemmStridedBatched");
}

void Cublas::multiplyWhole(const float* in, int inputs, const float* weights, int weightRow, float* out,
                           int outputs, int rows) {
  const float one = 1, none = 0;
  call(functions_.multiply(handle_, kNotTransposed, kTransposed, rows, outputs, inputs, &one, in, rows, 0,
                           weights, weightRow, 0, &none, out, rows, 0, 1),
       "cublasSgemmStridedBatched");
}

std::shared_ptr<Cublas> CublasHandles::lend(const std::shared_ptr<Stream>& stream) {
  std::unique_ptr<Cublas> handle;
  {
    const std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      handle = std::move(free_.back());
      free_.pop_back();
    }
  }
  if (handle) {
    handle->serve(*stream);
  } else {
    handle = std::make_unique<Cublas>(functions_, *stream);
  }
  return {handle.release(), [self = shared_from_this(), stream](Cublas* lent) {
            std::unique_ptr<Cublas> back(lent);
            cudaStreamSynchronize(stream->get());
            const std::lock_guard lock(self->mutex_);
            self->free_.push_back(std::move(back));
          }};
}

ProductTime cublasProduct(int in, int out, int rows, bool inBlocks) {
  const CublasLibrary library = loadCublas();
  if (!library.functions.multiply) return {0, library.absence};
  const int blocks = divideUp(static_cast<size_t>(rows), kLanes);
  const auto memory = std::make_shared<Memory>(size_t{4} << 30, 1);
  Stream stream(memory);
  Cublas cublas(library.functions, stream);
  const auto filled = [&](int features, int count) {
    const size_t floats = static_cast<size_t>(features) * count;
    Piece piece(memory, floats * sizeof(float));
    fill(stream, static_cast<float*>(piece.data()), floats, 0.5f);
    return piece;
  };
  const Piece x = filled(in, blocks * kLanes), y = filled(out, blocks * kLanes), w = filled(in, out);
  const auto floats = [](const Piece& piece) { return static_cast<float*>(piece.data()); };
  return {fastest(stream,
                  [&] {
                    if (inBlocks) {
                      cublas.multiply({floats(x), in, blocks}, floats(w), out, {floats(y), out, blocks},
                                      false);
                    } else {
                      cublas.multiplyWhole(floats(x), in, floats(w), out, floats(y), out, blocks * kLanes);
                    }
                  }),
          ""};
}

}  // namespace bulwark::BULWARK_CUDA
