#!/bin/sh
# Table 1 on eight phantoms with the shipped model and few samples: sh experiments/table1/run.sh [folder]
# The cases differ from those of training (other generator seed). Perturbed scores are shared by all jobs.
set -e
out=${1:-outputs/table1}
common="experiment=table1_efficient metric=baselines samples.cubes=100 samples.semantic=60
  metric.sensitivity.n_samples=1 metric.faithfulness.n_subsets=50
  data=phantom data.root=$out/phantom data.generator.splits={train:0,val:0,test:8} paths.cache=$out/cache trainer=cpu"
explain="agg2exp explain $common"
$explain hydra.mode=RUN attribution=vanilla_gradient supervoxels=none output=$out/vanilla_gradient
$explain hydra.mode=RUN attribution=integrated_gradients attribution.n_steps=5 supervoxels=none output=$out/integrated_gradients
$explain hydra.mode=RUN attribution=smoothgrad attribution.n_samples=5 supervoxels=none output=$out/smoothgrad
$explain attribution=kernel_shap supervoxels=semantic,cubes output=$out/kernel_shap
agg2exp report "runs=[$out/vanilla_gradient,$out/integrated_gradients,$out/smoothgrad,$out/kernel_shap]" \
  output=$out/report
