// Our kernels beside OpenBLAS and oneDNN: the same problems, one thread, one core, one run. Built by
// opponents.mjs, which defines BULWARK_OPENBLAS and BULWARK_ONEDNN for the libraries it finds.
//
// Ours and oneDNN's `packed` and `blocked` figures have their weights packed beforehand; OpenBLAS and
// `sgemm` pack in every call. oneDNN's convolution runs on its own blocked layout, without the cost of
// reordering.
#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "selftest/bench.h"

#if defined(BULWARK_OPENBLAS)
#include <cblas.h>
#endif
#if defined(BULWARK_ONEDNN)
#include <dnnl.hpp>
#include <unordered_map>
#endif

using bulwark::Conv;
using bulwark::Linear;
using bulwark::Pass;
using bulwark::selftest::AffineProblem;
using bulwark::selftest::fastest;

namespace {

struct Figure {
  std::string name;
  double gflops;
};

/// rows x depth times depth x outputs.
struct Product {
  int rows, depth, outputs;
  std::vector<float> in, weight, out;

  Product(const AffineProblem& problem, const Linear& linear)
      : rows(problem.rows),
        depth(problem.pass == Pass::adjoint ? linear.out : linear.in),
        outputs(problem.pass == Pass::adjoint ? linear.in : linear.out),
        in(static_cast<size_t>(rows) * depth, 0.5f),
        weight(static_cast<size_t>(depth) * outputs, 0.25f),
        out(static_cast<size_t>(rows) * outputs) {}
};

#if defined(BULWARK_OPENBLAS)
void openblas(Product& product, double flops, std::vector<Figure>& figures) {
  const double seconds = fastest([&] {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, product.rows, product.outputs, product.depth, 1.0f,
                product.in.data(), product.depth, product.weight.data(), product.outputs, 0.0f,
                product.out.data(), product.outputs);
  });
  figures.push_back({"OpenBLAS sgemm", flops / seconds / 1e9});
}
#endif

#if defined(BULWARK_ONEDNN)
using Memory = dnnl::memory;
using Tag = Memory::format_tag;

struct OneDnn {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};

  double time(const dnnl::primitive& primitive, const std::unordered_map<int, Memory>& arguments) {
    return fastest([&] {
      primitive.execute(stream, arguments);
      stream.wait();
    });
  }
};

Memory::desc describe(const Memory::dims& dims, Tag tag) { return {dims, Memory::data_type::f32, tag}; }

void sgemm(Product& product, double flops, std::vector<Figure>& figures) {
  const double seconds = fastest([&] {
    dnnl_sgemm('N', 'N', product.rows, product.outputs, product.depth, 1.0f, product.in.data(), product.depth,
               product.weight.data(), product.outputs, 0.0f, product.out.data(), product.outputs);
  });
  figures.push_back({"oneDNN sgemm", flops / seconds / 1e9});
}

void packedMatmul(Product& product, double flops, std::vector<Figure>& figures) {
  OneDnn dnn;
  const dnnl::matmul::desc wanted(describe({product.rows, product.depth}, Tag::ab),
                                  describe({product.depth, product.outputs}, Tag::any),
                                  describe({product.rows, product.outputs}, Tag::ab));
  const dnnl::matmul::primitive_desc chosen(wanted, dnn.engine);
  Memory in(chosen.src_desc(), dnn.engine, product.in.data()),
      out(chosen.dst_desc(), dnn.engine, product.out.data());
  Memory weight(chosen.weights_desc(), dnn.engine);
  std::fill_n(static_cast<float*>(weight.get_data_handle()), chosen.weights_desc().get_size() / sizeof(float),
              0.25f);
  const double seconds =
      dnn.time(dnnl::matmul(chosen), {{DNNL_ARG_SRC, in}, {DNNL_ARG_WEIGHTS, weight}, {DNNL_ARG_DST, out}});
  figures.push_back({"oneDNN matmul, packed", flops / seconds / 1e9});
}

void convAdjoint(const Conv& conv, int rows, double flops, Tag layout, const char* name,
                 std::vector<Figure>& figures) {
  OneDnn dnn;
  const Memory::dims from{rows, conv.out.channels, conv.out.height, conv.out.width};
  const Memory::dims to{rows, conv.in.channels, conv.in.height, conv.in.width};
  const Memory::dims kernel{conv.out.channels, conv.in.channels, conv.kernel[0], conv.kernel[1]};
  const Memory::dims strides{conv.strides[0], conv.strides[1]}, pads{conv.pads[0], conv.pads[1]};
  const auto weights = describe(kernel, Tag::any);
  const dnnl::convolution_forward::desc forward(dnnl::prop_kind::forward_training,
                                                dnnl::algorithm::convolution_direct, describe(to, layout),
                                                weights, describe(from, layout), strides, pads, pads);
  const dnnl::convolution_forward::primitive_desc hint(forward, dnn.engine);
  const dnnl::convolution_backward_data::desc wanted(dnnl::algorithm::convolution_direct,
                                                     describe(to, layout), weights, describe(from, layout),
                                                     strides, pads, pads);
  const dnnl::convolution_backward_data::primitive_desc chosen(wanted, dnn.engine, hint);
  Memory in(chosen.diff_dst_desc(), dnn.engine), weight(chosen.weights_desc(), dnn.engine);
  Memory out(chosen.diff_src_desc(), dnn.engine);
  for (const Memory& memory : {in, weight})
    std::fill_n(static_cast<float*>(memory.get_data_handle()), memory.get_desc().get_size() / sizeof(float),
                0.25f);
  const double seconds =
      dnn.time(dnnl::convolution_backward_data(chosen),
               {{DNNL_ARG_DIFF_DST, in}, {DNNL_ARG_WEIGHTS, weight}, {DNNL_ARG_DIFF_SRC, out}});
  figures.push_back({name, flops / seconds / 1e9});
}
#endif

std::vector<Figure> opponents([[maybe_unused]] const AffineProblem& problem) {
  std::vector<Figure> figures;
  if (const auto* linear = std::get_if<Linear>(&problem.affine)) {
    Product product(problem, *linear);
#if defined(BULWARK_OPENBLAS)
    openblas(product, problem.flops, figures);
#endif
#if defined(BULWARK_ONEDNN)
    sgemm(product, problem.flops, figures);
    packedMatmul(product, problem.flops, figures);
#endif
  }
#if defined(BULWARK_ONEDNN)
  if (const auto* conv = std::get_if<Conv>(&problem.affine)) {
    convAdjoint(*conv, problem.rows, problem.flops, Tag::nchw, "oneDNN direct, nchw", figures);
    convAdjoint(*conv, problem.rows, problem.flops, Tag::any, "oneDNN direct, blocked", figures);
  }
#endif
  return figures;
}

}  // namespace

int main() {
  bulwark::selftest::stayOnOneCore();
  const auto backend = bulwark::makeCpuBackend();
  std::printf("peak %.1f GFLOP/s\n", bulwark::selftest::peakGflops(backend->name()));
  for (const AffineProblem& problem : bulwark::selftest::comparedProblems()) {
    // Ours before and after the others, so that a change of the core's clock shows.
    const double before = problem.flops / bulwark::selftest::measure(*backend, problem) / 1e9;
    const std::vector<Figure> others = opponents(problem);
    const double after = problem.flops / bulwark::selftest::measure(*backend, problem) / 1e9;
    std::printf("%s\n  %-24s %8.1f and %.1f GFLOP/s\n", problem.name.c_str(), "ours", before, after);
    double best = 0;
    for (const Figure& other : others) {
      std::printf("  %-24s %8.1f GFLOP/s\n", other.name.c_str(), other.gflops);
      best = std::max(best, other.gflops);
    }
    if (best > 0) std::printf("  ours / best of them      %8.2f\n", std::max(before, after) / best);
  }
}
