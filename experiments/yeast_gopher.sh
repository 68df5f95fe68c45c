#!/bin/sh
# GOPHER's comparison (Toneyan et al. 2022) on yeast ATAC-seq: three models of yes/no labels and five of coverage in one
# table, on chromosomes that none of them has seen. Trains what is not in RUNS yet, then judges all at the same places.
# Usage: experiments/yeast_gopher.sh RUNS    (STRANDWISE_DATA holds yeast/ and motifs/)
set -eu
runs=$1
data=${STRANDWISE_DATA:-../shared/data}
here=$(dirname "$0")
for grid in labels bins window; do
    strandwise benchmark "$here/yeast_gopher_$grid.toml" --out "$runs" --results "$here/../docs/results/yeast_gopher/$grid"
done
strandwise compare \
    "Basset, yes/no=$runs/labels/basset/post-hoc/seed-0" \
    "CNN-baseline, yes/no=$runs/labels/cnn_baseline/post-hoc/seed-0" \
    "BPNet, yes/no=$runs/labels/gopher_bpnet/post-hoc/seed-0" \
    "Basset, 1024 bp=$runs/window/basset/post-hoc/seed-0" \
    "CNN-baseline, 32 bp=$runs/32_bp/cnn_baseline/post-hoc/seed-0" \
    "CNN-baseline, 128 bp=$runs/128_bp/cnn_baseline/post-hoc/seed-0" \
    "BPNet, 32 bp=$runs/32_bp/gopher_bpnet/post-hoc/seed-0" \
    "BPNet, 128 bp=$runs/128_bp/gopher_bpnet/post-hoc/seed-0" \
    --signal "$data/yeast/atac/cutsites.bw" --peaks "$data/yeast/atac/peaks.narrowPeak" \
    --motifs "$data/motifs/yeast_macisaac.meme" --motif REB1 --motif ABF1 --motif RAP1 --motif MCM1 --motif CBF1 \
    --window 1024 --step 64 --bins 32 --bins 128 --out "$runs/compared"
cp "$runs/compared/tables.md" "$here/../docs/results/yeast_gopher/tables.md"
