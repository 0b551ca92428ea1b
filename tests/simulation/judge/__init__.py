"""The judge: small models of the promises, written from the documents; they import no rule."""
