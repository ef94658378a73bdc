"""Authority: who may do what with whose words. Pure functions over rights, labels and values; the kernel asks them."""
