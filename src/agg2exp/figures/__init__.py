"""Pictures: matrices and volumes in, matplotlib figures out; one file per picture, `style` shared by all."""
