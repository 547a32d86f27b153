"""The time and cost of a decode step of a mixture of experts and of a dense model, by the roofline.

A step decodes one token for each of B sequences. With G GPUs that share all work evenly:

- `memory = (weights read + B * kv) / (G * bandwidth)`, `compute = flops / (G * peak)`, and
  `step = max(memory, compute) + overhead`: Williams, Waterman and Patterson, "Roofline" (CACM 52(4), 2009).
- A dense model of D parameters reads all of them and computes `2 * D * B` operations: one multiplication and one addition
  per parameter and token (Pope et al., "Efficiently Scaling Transformer Inference", MLSys 2023, section 2).
- A mixture of E experts, k per token, has `expert = (total - active) / (E - k)` parameters an expert and
  `shared = active - k * expert` that every token uses, since total = shared + E * expert, active = shared + k * expert.
- One token leaves a given expert out with probability 1 - k / E, so a step touches `E * (1 - (1 - k / E)^B)` distinct
  experts (occupancy with independent uniform routing: the sums of indicators in Feller, vol. 1). It reads those and the
  shared parameters: few at a small batch, nearly all of the model at a large one. That a large batch shrinks per expert is
  the "shrinking batch problem" of Shazeer et al., "Outrageously Large Neural Networks" (ICLR 2017), section 3.1.
- It computes `2 * B * (shared + imbalance * k * expert)`: every step waits for the busiest GPU (load imbalance: Fedus et al.,
  "Switch Transformers", JMLR 2022, section 2.2). That the penalty scales what the experts compute and not what
  they read is ours.
- `cost of a token = G * price * step / B`. G cancels out of the roofline's terms, and only weighs on the fixed overhead.

Ours, too: attention's own operations are left out, and a step's KV cache is `B * kv` bytes. Prompts are not modelled.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """One GPU: bytes and operations per second, US dollars per hour."""

    bandwidth: float
    flops: float
    price_per_hour: float


@dataclass(frozen=True, kw_only=True)
class Dense:
    """Weights in parameters; sizes in bytes; overhead of a step in seconds."""

    params: float
    bytes_per_param: float
    gpus: int
    kv_bytes: float = 0.0
    overhead_s: float = 0.0

    def weight_bytes(self, batch: float) -> float:
        return self.bytes_per_param * self.params

    def flops(self, batch: float) -> float:
        return 2 * self.params * batch


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """As `Dense`, with the sizes that tell its experts."""

    total_params: float
    active_params: float
    experts: int
    experts_per_token: int
    imbalance: float
    bytes_per_param: float
    gpus: int
    kv_bytes: float = 0.0
    overhead_s: float = 0.0

    @property
    def expert_params(self) -> float:
        return (self.total_params - self.active_params) / (self.experts - self.experts_per_token)

    @property
    def shared_params(self) -> float:
        return max(0.0, self.active_params - self.experts_per_token * self.expert_params)

    def distinct_experts(self, batch: float) -> float:
        """Experts of a layer that a step of `batch` tokens is expected to touch."""
        return self.experts * (1 - (1 - self.experts_per_token / self.experts) ** batch)

    def weight_bytes(self, batch: float) -> float:
        return self.bytes_per_param * (self.shared_params + self.expert_params * self.distinct_experts(batch))

    def flops(self, batch: float) -> float:
        return 2 * batch * (self.shared_params + self.imbalance * self.experts_per_token * self.expert_params)

    def balanced(self) -> Mixture:
        return replace(self, imbalance=1.0)


Deployment = Dense | Mixture


def memory_s(of: Deployment, batch: float, gpu: Hardware) -> float:
    """Seconds to read what a step reads."""
    return (of.weight_bytes(batch) + batch * of.kv_bytes) / (of.gpus * gpu.bandwidth)


def compute_s(of: Deployment, batch: float, gpu: Hardware) -> float:
    """Seconds to compute what a step computes."""
    return of.flops(batch) / (of.gpus * gpu.flops)


def step_s(of: Deployment, batch: float, gpu: Hardware) -> float:
    """Seconds of a decode step."""
    return max(memory_s(of, batch, gpu), compute_s(of, batch, gpu)) + of.overhead_s


def token_cost(of: Deployment, batch: float, gpu: Hardware) -> float:
    """US dollars for one token."""
    return of.gpus * gpu.price_per_hour / 3600 * step_s(of, batch, gpu) / batch
