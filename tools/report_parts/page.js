// The cells' titles at once, and on a tap too: the browser's own come late, and never on a touch screen.
"use strict";
{
    const tip = document.getElementById("tip");
    const show = (event) => {
        const cell = event.target.closest && event.target.closest("td.c");
        if (!cell) {
            tip.hidden = true;
            return;
        }
        if (cell.title) {
            cell.setAttribute("aria-label", cell.title);
            cell.removeAttribute("title");
        }
        tip.textContent = cell.getAttribute("aria-label");
        tip.hidden = false;
        const box = cell.getBoundingClientRect();
        const left = Math.min(box.left, document.documentElement.clientWidth - tip.offsetWidth - 8);
        const below = box.bottom + tip.offsetHeight + 8 < window.innerHeight;
        tip.style.left = `${Math.max(8, left)}px`;
        tip.style.top = `${below ? box.bottom + 6 : box.top - tip.offsetHeight - 6}px`;
    };
    document.addEventListener("pointerover", show);
    document.addEventListener("pointerdown", show);
    document.addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
}
