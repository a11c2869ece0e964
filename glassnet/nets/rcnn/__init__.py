"""R-CNN's networks: regions of pictures to classes and better boxes. Girshick et al. 2014; Girshick 2015."""
