"""What theory says of a world before anything is generated: closed forms, and exact numbers by Monte Carlo."""
