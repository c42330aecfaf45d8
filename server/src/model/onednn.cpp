// Two families of operators that tch does not bind, reached through PyTorch's dispatcher: linears whose weights oneDNN
// has laid out beforehand, and dynamically quantised ones. Every function answers null and writes why into `fault`.
#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <cstdio>
#include <exception>

namespace {

const at::Tensor &tensor(void *pointer) { return *static_cast<at::Tensor *>(pointer); }

// An exception must not cross into Rust.
template <typename Work>
void *guarded(char *fault, size_t size, Work work) {
  try {
    at::NoGradGuard no_gradients;
    return work();
  } catch (const std::exception &error) {
    std::snprintf(fault, size, "%s", error.what());
    return nullptr;
  }
}

at::Tensor call(const char *name, torch::jit::Stack stack) {
  c10::Dispatcher::singleton().findSchemaOrThrow(name, "").callBoxed(&stack);
  return stack[0].toTensor();
}

at::Tensor per_channel_int8(const at::Tensor &weight) {
  auto scales = std::get<0>(weight.abs().max(1)).to(at::kDouble).div(127.0).clamp_min(1e-9);
  auto zero_points = at::zeros({weight.size(0)}, at::kLong);
  return at::quantize_per_channel(weight, scales, zero_points, 0, at::kQInt8);
}

} // namespace

extern "C" {

// weight: [output, input], fp32 or bf16 -> the same in oneDNN's own layout
void *uninlu_onednn_pack(void *weight, char *fault, size_t size) {
  return guarded(fault, size, [&] {
    return new at::Tensor(call("mkldnn::_reorder_linear_weight", {tensor(weight), c10::IValue()}));
  });
}

// input: [tokens, input] -> [tokens, output], with the exact GELU behind it if wanted
void *uninlu_onednn_linear(void *input, void *packed, void *bias, bool gelu, char *fault, size_t size) {
  return guarded(fault, size, [&] {
    auto activation = gelu ? "gelu" : "none";
    auto algorithm = gelu ? c10::IValue(std::string("none")) : c10::IValue();
    return new at::Tensor(call("mkldnn::_linear_pointwise",
                               {tensor(input), tensor(packed), std::optional<at::Tensor>(tensor(bias)),
                                std::string(activation), c10::List<std::optional<at::Scalar>>(), algorithm}));
  });
}

// input: [tokens, input], residual: [tokens, output] -> their linear and sum, [tokens, output]
void *uninlu_onednn_linear_add(void *input, void *residual, void *packed, void *bias, char *fault, size_t size) {
  return guarded(fault, size, [&] {
    auto name = "mkldnn::_linear_pointwise";
    torch::jit::Stack stack{tensor(input), tensor(residual), tensor(packed), std::optional<at::Tensor>(tensor(bias)),
                            std::string("add")};
    c10::Dispatcher::singleton().findSchemaOrThrow(name, "binary").callBoxed(&stack);
    return new at::Tensor(stack[0].toTensor());
  });
}

// weight: [output, input] fp32, bias: [output] -> packed parameters, one scale a channel
void *uninlu_int8_pack(void *weight, void *bias, char *fault, size_t size) {
  return guarded(fault, size, [&] {
    torch::jit::Stack stack{per_channel_int8(tensor(weight)), std::optional<at::Tensor>(tensor(bias))};
    c10::Dispatcher::singleton().findSchemaOrThrow("quantized::linear_prepack", "").callBoxed(&stack);
    return new c10::IValue(stack[0]);
  });
}

// input: [tokens, input] fp32 -> [tokens, output] fp32; the input's scale is found anew each time
void *uninlu_int8_linear(void *input, void *packed, char *fault, size_t size) {
  return guarded(fault, size, [&] {
    return new at::Tensor(
        call("quantized::linear_dynamic", {tensor(input), *static_cast<c10::IValue *>(packed), true}));
  });
}

void *uninlu_int8_share(void *packed) { return new c10::IValue(*static_cast<c10::IValue *>(packed)); }
void uninlu_int8_free(void *packed) { delete static_cast<c10::IValue *>(packed); }
}
