#!/bin/sh
# Writes the simulated sequences of Shrikumar et al. 2017 and Zhou et al. 2022 into FOLDER/200 and FOLDER/1000.
# Usage: experiments/simulated.sh FOLDER    (STRANDWISE_DATA holds motifs/encode_motifs.txt.gz)
set -eu
for length in 200 1000; do
    strandwise simulate sequences --out "$1/$length" --length "$length" --number 30000 --seed 1234 \
        --motifs "${STRANDWISE_DATA:-../shared/data}/motifs/encode_motifs.txt.gz" \
        --motif ELF1_known2 --motif GATA_known6 --motif RXRA_known1 \
        --label-noise 0.2 --split 0.4 0.3 0.3
done
