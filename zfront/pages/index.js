for (const one of document.getElementsByClassName("origin")) one.textContent = location.origin;
