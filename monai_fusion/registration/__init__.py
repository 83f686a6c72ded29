from .procedure import Mode, Registration, register

__all__ = ["Mode", "Registration", "register"]
